"""The list of the orchestrator's own processes."""

from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator_tasks.embedded import program


@pytest.fixture
def children(engines, tmp_path: Path):
    settings = replace(engines.settings(), port=9123, node_id="n1", render_slots=3)
    found = program.children(
        settings, engines.environ(), home=tmp_path, flower_port=5999, flower_password="flowerpassword"
    )
    return {child.name: child for child in found}


def test_every_queue_has_a_worker_on_this_node(children):
    queues = {
        name: child.argv[child.argv.index("-Q") + 1].split(",")
        for name, child in children.items()
        if "-Q" in child.argv
    }
    names = {child.argv[child.argv.index("-n") + 1] for child in children.values() if "-n" in child.argv}
    assert {queue for some in queues.values() for queue in some} == {
        "quick", "balanced", "distributed", "maintenance", "gpu", "safe",
    }  # fmt: skip
    assert set(queues["worker-quick"]) == {"quick", "maintenance"}, "nothing long in the quick worker"
    assert names == {"quick@n1", "general@n1"}


def test_workers_give_back_their_work_when_told_to_stop(children):
    workers = [child for name, child in children.items() if name.startswith("worker-")]
    assert len(workers) == 2
    for worker in workers:
        assert worker.env["REMAP_SIGTERM"] == "SIGQUIT"
        assert {"--without-gossip", "--without-mingle", "-Ofair"} <= set(worker.argv)


def test_no_secret_is_on_a_command_line(children, engines):
    secrets = ("flowerpassword", engines.pepper, engines.s3_secret_key, engines.redis_url, engines.database_url)
    for child in children.values():
        assert not [secret for secret in secrets if secret in " ".join(child.argv)]
    assert children["flower"].env["FLOWER_BASIC_AUTH"] == "orchestrator:flowerpassword"


def test_what_opens_a_port_opens_it_on_the_loopback_interface(children):
    assert "127.0.0.1:9123" in children["api"].argv
    assert {"--address=127.0.0.1", "--port=5999"} <= set(children["flower"].argv)
