"""How the demonstration speaks HTTP."""

from pileus.kernel.http import Service

POLICIES = {
    "demo:machines:show": "role:reader and project_id:%(project_id)s",
    "demo:machines:write": "role:member and project_id:%(project_id)s",
    "demo:networks:show": "role:reader and project_id:%(project_id)s",
    "demo:networks:write": "role:member and project_id:%(project_id)s",
}
api = Service("demo", "/demo")
