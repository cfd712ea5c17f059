"""The services of OpenStack beside Keystone, configured as DevStack has them, on the drivers that do least.

Each is started once what it needs runs: its tables are made, it is in the catalogue, it answers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.peer.openstack import REGION, OpenStack, answered
from conformance.installed import Failure

UP_WITHIN_S = 120.0
GLANCE = """\
[DEFAULT]
log_file = {home}/glance.log
enabled_backends = fs:file
worker_self_reference_url = {url}
bind_host = 127.0.0.1
[database]
connection = {database}
[glance_store]
default_backend = fs
[fs]
filesystem_store_datadir = {home}/images
[os_glance_staging_store]
filesystem_store_datadir = {home}/staging
[os_glance_tasks_store]
filesystem_store_datadir = {home}/tasks
[paste_deploy]
flavor = keystone
config_file = {home}/glance-api-paste.ini
[oslo_messaging_notifications]
driver = noop
"""
PLACEMENT = """\
[DEFAULT]
log_file = {home}/placement.log
[placement_database]
connection = {database}
[api]
auth_strategy = keystone
"""
NEUTRON = """\
[DEFAULT]
transport_url = {queue}
core_plugin = ml2
service_plugins =
state_path = {home}
log_dir = {home}
auth_strategy = keystone
api_workers = 2
rpc_workers = 1
api_paste_config = {home}/api-paste.ini
dhcp_agent_notification = false
notify_nova_on_port_status_changes = {nova}
notify_nova_on_port_data_changes = {nova}
[database]
connection = {database}
[oslo_concurrency]
lock_path = {home}/lock
[ml2]
type_drivers = local,flat,vlan,vxlan
tenant_network_types = vxlan
mechanism_drivers = bench
extension_drivers =
[ml2_type_vxlan]
vni_ranges = 1:65535
[nova]
{credentials}
[placement]
{credentials}
"""
NOVA = """\
[DEFAULT]
transport_url = {queue}
state_path = {home}
my_ip = 127.0.0.1
log_dir = {home}
compute_driver = fake.FakeDriver
vif_plugging_is_fatal = false
vif_plugging_timeout = 0
[workarounds]
reserve_disk_resource_for_image_cache = false
[api]
auth_strategy = keystone
[wsgi]
api_paste_config = {home}/api-paste.ini
[conductor]
workers = 2
[scheduler]
workers = 2
[glance]
region_name = {region}
[oslo_concurrency]
lock_path = {home}/lock
[cache]
enabled = true
backend = dogpile.cache.pymemcache
memcache_servers = 127.0.0.1:{memcached}
[vnc]
enabled = false
[service_user]
send_service_user_token = true
{credentials}
[placement]
{credentials}
[neutron]
{credentials}
[cinder]
{credentials}
"""
NOVA_DATABASES = """\
[api_database]
connection = {api}
[database]
connection = {cell}
"""
CINDER = """\
[DEFAULT]
transport_url = {queue}
auth_strategy = keystone
my_ip = 127.0.0.1
state_path = {home}
log_dir = {home}
enabled_backends = fake
api_paste_config = {home}/api-paste.ini
resource_query_filters_file = {home}/resource_filters.json
[fake]
volume_driver = cinder.tests.fake_driver.FakeLoggingVolumeDriver
volume_backend_name = fake
[database]
connection = {database}
[oslo_concurrency]
lock_path = {home}/lock
"""


def glance(cloud: OpenStack) -> None:
    home, url = cloud.room("glance"), cloud.address("glance")
    options = home / "glance-api.conf"
    for folder in ("images", "staging", "tasks"):
        (home / folder).mkdir()
    cloud.copied("glance", "glance-api-paste.ini")
    text = GLANCE.format(home=home, url=url, database=cloud.database("glance"))
    options.write_text(text + cloud.authtoken("glance"))
    cloud.manage("glance", "glance-manage", "--config-file", options, "db_sync")
    cloud.register("glance", "image", url)
    where = {"OS_GLANCE_CONFIG_DIR": str(home)}
    cloud.serve("glance", "glance.wsgi.api:application", "http-chunked-input = true", environment=where)


def placement(cloud: OpenStack) -> None:
    home = cloud.room("placement")
    options = home / "placement.conf"
    text = PLACEMENT.format(home=home, database=cloud.database("placement"))
    options.write_text(text + cloud.authtoken("placement"))
    cloud.manage("placement", "placement-manage", "--config-file", options, "db", "sync")
    cloud.register("placement", "placement", cloud.address("placement"))
    where = {"OS_PLACEMENT_CONFIG_DIR": str(home)}
    cloud.serve("placement", "placement.wsgi.api:application", environment=where)


def neutron(cloud: OpenStack) -> None:
    """ML2 over VXLAN with a mechanism driver of our own that binds every port: the control plane alone, without agents."""
    home = cloud.room("neutron")
    options = home / "neutron.conf"
    cloud.copied("neutron", "api-paste.ini")
    facts = {"queue": cloud.queue(), "database": cloud.database("neutron"), "nova": "nova" in cloud.wanted}
    options.write_text(
        NEUTRON.format(home=home, credentials=cloud.credentials("nova"), **facts) + cloud.authtoken("neutron")
    )
    driver = {"PYTHONPATH": str(Path(__file__).with_name("drivers"))}
    manage = ("--config-file", options, "upgrade", "heads")
    cloud.manage("neutron", "neutron-db-manage", *manage, environment=driver)
    cloud.register("neutron", "network", cloud.address("neutron"))
    where = {**driver, "OS_NEUTRON_CONFIG_DIR": str(home), "OS_NEUTRON_CONFIG_FILES": str(options)}
    cloud.serve("neutron", "neutron.wsgi.api:application", environment=where)
    for program in ("neutron-rpc-server", "neutron-periodic-workers"):
        cloud.run(program, program, "--config-file", options, environment=driver)


def nova(cloud: OpenStack) -> None:
    """One cell, and one host with the fake driver; a host knows no database, as everywhere."""
    home, url = cloud.room("nova"), f"{cloud.address('nova')}/v2.1"
    api, cell0, cell = (cloud.database(f"nova_{name}") for name in ("api", "cell0", "cell1"))
    cloud.copied("nova", "api-paste.ini")
    facts = {"memcached": cloud.memcached, "credentials": cloud.credentials("nova"), "region": REGION}
    text = NOVA.format(home=home, queue=cloud.queue(), **facts) + cloud.authtoken("nova")
    options, host = home / "nova.conf", home / "compute.conf"
    options.write_text(text + NOVA_DATABASES.format(api=api, cell=cell))
    host.write_text(text)
    manage = ("nova", "nova-manage", "--config-file", options)
    cloud.manage(*manage, "api_db", "sync")
    cloud.manage(*manage, "cell_v2", "map_cell0", "--database_connection", cell0)
    cloud.manage(*manage, "cell_v2", "create_cell", "--name", "cell1")
    cloud.manage(*manage, "db", "sync")
    cloud.register("nova", "compute", url)
    cloud.serve("nova", "nova.wsgi.osapi_compute:application", environment={"OS_NOVA_CONFIG_DIR": str(home)})
    for program, file in (("nova-conductor", options), ("nova-scheduler", options), ("nova-compute", host)):
        cloud.run(program, program, "--config-file", file)
    await_service(cloud, f"{url}/os-services", "nova-compute")
    cloud.manage(*manage, "cell_v2", "discover_hosts")


def cinder(cloud: OpenStack) -> None:
    home, url = cloud.room("cinder"), f"{cloud.address('cinder')}/v3/%(project_id)s"
    options = home / "cinder.conf"
    cloud.copied("cinder", "api-paste.ini", "resource_filters.json")
    text = CINDER.format(home=home, queue=cloud.queue(), database=cloud.database("cinder"))
    options.write_text(text + cloud.authtoken("cinder"))
    cloud.manage("cinder", "cinder-manage", "--config-file", options, "db", "sync")
    cloud.register("cinder", "block-storage", url)
    where = {"OS_CINDER_CONFIG_DIR": str(home)}
    cloud.serve("cinder", "cinder.wsgi.api:application", f"pyargv = --config-file={options}", environment=where)
    for program in ("cinder-scheduler", "cinder-volume"):
        cloud.run(program, program, "--config-file", options)
    project = cloud.ask("GET", "/projects?name=admin")["projects"][0]["id"]
    await_service(cloud, f"{cloud.address('cinder')}/v3/{project}/os-services", "cinder-volume")


def await_service(cloud: OpenStack, url: str, binary: str) -> None:
    """Return when a daemon says that it is up. Raises Failure when it does not in time."""
    until = time.monotonic() + UP_WITHIN_S
    while time.monotonic() < until:
        services = answered("GET", url, token=cloud.token)["services"]
        if any(each["binary"] == binary and each["state"] == "up" for each in services):
            return
        time.sleep(1)
    raise Failure(f"{binary} does not come up: {(cloud.home / f'{binary}.out').read_text()[-2000:]}")


STARTS: dict[str, Callable[[OpenStack], None]] = {
    "placement": placement,
    "glance": glance,
    "neutron": neutron,
    "nova": nova,
    "cinder": cinder,
}
NEEDS = {"nova": ("placement", "glance", "neutron")}
QUEUED = {"neutron", "nova", "cinder"}


def with_needs(names: Sequence[str]) -> list[str]:
    """Services and those they need, in the order in which they start."""
    wanted = {*names, *(need for name in names for need in NEEDS.get(name, ()))}
    return [name for name in STARTS if name in wanted]
