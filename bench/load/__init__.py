"""One closed-loop load generator for any OpenStack-API cloud.

It knows nothing about the target except its Identity URL and a credential: every other address comes
from the service catalog in the token (interface 'public' unless told otherwise), so the same command
line measures real OpenStack and anything that speaks the same API.

    python -m bench.load --auth-url http://127.0.0.1:5000/v3 --username admin --password x --project admin token-issue
    python -m bench.load ... suite --out cloud-a.json          # everything, in one run
    python -m bench.load compare cloud-a.json cloud-b.json     # two result files, side by side

How it measures
  * closed loop: C workers, each with one request in flight; no think time; keep-alive connections
  * time-bounded workloads run --duration seconds after --warmup requests per worker; counted workloads
    (create N of something) run until N are done or --limit-s has passed
  * every workload is repeated --repeat times; the record keeps every run, plus median and min/max
  * latency is from just before the request is handed to the client library until the body has been read
  * the client's own CPU time and the machine's load average are recorded with each run, because on a small
    machine the generator competes with the target for the same cores
  * with --pid-dir (a folder of NAME.pid files of the target's local processes) the CPU time the target itself
    used is recorded too, per service; CPU per request says what a request costs whatever else the machine does
  * a response counts as a success only if its status is the expected one (and, for lists, only if the
    expected number of items came back); failures are counted by kind and never enter the percentiles

Only the standard library and aiohttp are needed.
"""
