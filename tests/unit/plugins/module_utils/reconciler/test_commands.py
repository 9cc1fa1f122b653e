# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The command on the host: what it says of a kernel, and that it says it soon."""

import json
import os
import resource
import subprocess
import sys

import pytest

from ansible_collections.gandi.hosting.plugins.module_utils import _policy_routing
from ansible_collections.gandi.hosting.plugins.module_utils.reconciler import apply, cli, explain, intents, status

FILES = {
    "eth0": {"name": "eth0", "table": 26520, "gateway4": "198.18.0.1"},
    "eth1": {"name": "eth1", "table": 26521, "gateway4": "198.18.1.1", "strict": True, "selectors": [{"uid": "77"}, {"dport": "25", "ipproto": "6"}]},
    "eth2": {"name": "eth2", "table": 26522, "strict": True, "selectors": [{"to": "203.0.113.0/24"}]},
}


@pytest.fixture
def host(ip, tmp_path, monkeypatch):
    """eth0 and eth1 with gateways, eth2 detached; the command's folder of intents is ours."""
    for number in range(2):
        ip("link add eth%d type veth peer name peer%d" % (number, number))
        ip("link set peer%d up" % number)
        ip("link set eth%d up" % number)
        ip("address add 198.18.%d.10/24 dev eth%d" % (number, number))
    ip("route add default via 198.18.0.1")
    for name, content in FILES.items():
        (tmp_path / (name + ".json")).write_text(json.dumps(content))
    for module, function in ((intents, intents.read), (status, status.collect), (apply, apply.reconcile_host)):
        monkeypatch.setattr(function, "__defaults__", (str(tmp_path), *function.__defaults__[1:]))
        assert module
    monkeypatch.setattr(apply.alone.__wrapped__, "__defaults__", (str(tmp_path / "lock"),))
    return ip


def command(capsys, words):
    """Return exit status, standard output and standard error."""
    code = cli.main(words.split())
    return (code, *capsys.readouterr())


def test_status_says_what_is_missing_and_apply_mends_it(host, capsys):
    code, said, _errors = command(capsys, "status")
    assert code == 1 and "    missing    ip -4 route default via 198.18.0.1 dev eth0 table 26520\n" in said
    assert command(capsys, "apply")[0] == 0
    code, said, _errors = command(capsys, "status")
    assert code == 0
    assert said.startswith("eth0: up, table 26520\n    addresses  198.18.0.10\n    gateways   198.18.0.1 (configured)\n"
                           "    there      5 rules, 3 routes, none missing\neth1: up, table 26521\n")
    assert "    selectors  from all uidrange 77-77, from all ipproto tcp dport 25\n    options    strict\n" in said
    assert "eth2: not attached, table 26522\n" in said


def test_status_is_json_for_programs(host, capsys):
    command(capsys, "apply")
    host("rule add from 198.18.9.9 lookup 26521 priority 26540 protocol 171")
    host("rule del priority 26540 from 198.18.0.10")
    code, said, _errors = command(capsys, "status --json")
    found = json.loads(said)
    assert code == 1
    assert found["stale"] == ["ip -4 rule 26540: from 198.18.9.9 lookup 26521"]
    assert found["interfaces"][0]["missing"] == ["ip -4 rule 26540: from 198.18.0.10 lookup 26520"]
    assert [entry["attached"] for entry in found["interfaces"]] == [True, True, False]


def test_a_file_that_cannot_be_understood_is_told_by_every_command(host, capsys, tmp_path):
    command(capsys, "apply")
    (tmp_path / "eth1.json").write_text("{")
    for words in ("status", "apply", "apply --dry-run"):
        code, _said, errors = command(capsys, words)
        assert code == 1 and errors.startswith(str(tmp_path / "eth1.json") + ": not JSON: ")
    assert "26521" in host("rule")


def test_a_dry_run_changes_nothing_and_says_what_a_run_says(host, capsys):
    before = host("rule")
    said = command(capsys, "apply --dry-run")
    assert host("rule") == before
    assert command(capsys, "apply") == said


@pytest.mark.parametrize("words, rule, route, leaves", [
    ("--from 198.18.1.10 --to 192.0.2.1", "26540: from 198.18.1.10 lookup 26521", "default via 198.18.1.1 dev eth1 table 26521 (eth1)",
     "through eth1, by 198.18.1.1, from 198.18.1.10"),
    ("--from 198.18.1.10 --to 198.18.1.77", "26520: from 198.18.1.10 lookup 26521 suppress_prefixlength 0",
     "198.18.1.0/24 dev eth1 table 26521 (eth1)", "through eth1, on the link, from 198.18.1.10"),
    ("--to 192.0.2.1 --uid 77", "26605: from all uidrange 77-77 lookup 26521", "default via 198.18.1.1 dev eth1 table 26521 (eth1)",
     "through eth1, by 198.18.1.1, from 198.18.1.10"),
    ("--to 192.0.2.1 --ipproto tcp --dport 25", "26605: from all ipproto tcp dport 25 lookup 26521",
     "default via 198.18.1.1 dev eth1 table 26521 (eth1)", "through eth1, by 198.18.1.1, from 198.18.1.10"),
    ("--to 192.0.2.1 --oif eth1", "26580: from all oif eth1 lookup 26521", "default via 198.18.1.1 dev eth1 table 26521 (eth1)",
     "through eth1, by 198.18.1.1, from 198.18.1.10"),
    ("--to 192.0.2.1 --uid root", "32766: from all lookup main", "default via 198.18.0.1 dev eth0 table 254", "through eth0, by 198.18.0.1, from 198.18.0.10"),
    ("--to 203.0.113.9", "26611: from all to 203.0.113.0/24 unreachable", "none: Network is unreachable", "not at all"),
    ("--to 198.18.1.10", "0: from all lookup local", "198.18.1.10 dev eth1 table 255", "not at all: it is for this host"),
    ("--to 192.0.2.1 --mark 0x9", "31000: not from all fwmark 0x8 lookup 99", "default via 198.18.0.7 dev eth0 table 99", "through eth0, by 198.18.0.7, from 198.18.0.10"),
    ("--to 198.51.100.1", "31001: from all to 198.51.100.0/24 prohibit", "none: Permission denied", "not at all"),
    ("--to 2001:db8:ff::1 --from 2001:db8:10::10", None, "none: Network is unreachable", "not at all"),
    ("--from 192.0.2.7 --to 192.0.2.1 --iif eth1 --sport 9", "32766: from all lookup main", "default via 198.18.0.1 dev eth0 table 254", "through eth0, by 198.18.0.1, from 192.0.2.7"),
])
def test_explain_names_rule_table_and_interface_as_the_kernel_decides(host, capsys, words, rule, route, leaves):
    command(capsys, "apply")
    if "mark" in words:
        host("rule add not fwmark 8 lookup 99 priority 31000")
        host("route add default via 198.18.0.7 table 99")
    host("rule add to 198.51.100.0/24 prohibit priority 31001")
    subprocess.run(["sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.eth1.rp_filter=0"], check=True)
    code, said, errors = command(capsys, "explain " + words)
    assert (code, errors) == (0, "")
    found = {line.split()[0]: line[9:] for line in said.splitlines() if not line.startswith(" ")}
    assert found["rule"] == (rule or "none leads anywhere")
    assert (found["route"], found["leaves"]) == (route, leaves)


def test_explain_tells_of_reverse_path_filtering(host, capsys):
    command(capsys, "apply")
    subprocess.run(["sysctl", "-qw", "net.ipv4.conf.all.rp_filter=1"], check=True)
    said = command(capsys, "explain --from 192.0.2.7 --to 198.18.0.10 --iif eth1")[1]
    assert "rule     unknown\nroute    dropped on arrival by reverse-path filtering (rp_filter), or" in said
    host("rule add from 192.0.2.7 blackhole priority 99")
    said = command(capsys, "explain --from 192.0.2.7 --to 198.51.100.1 --iif eth1")[1]
    assert "rule     99: from 192.0.2.7 blackhole\n" in said and "leaves   not at all\n" in said


@pytest.mark.parametrize("question", ["--from 198.18.1.10", "--uid 77", "--from 192.0.2.7 --iif eth0"])
def test_explain_names_the_route_of_somebody_who_throws_it_away(host, capsys, question):
    command(capsys, "apply")
    subprocess.run(["sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.eth0.rp_filter=0"], check=True)
    host("route add blackhole 198.51.100.0/24")
    said = command(capsys, "explain --to 198.51.100.1 " + question)[1]
    assert "lookup main" in said.splitlines()[1]
    assert "\nroute    blackhole 198.51.100.0/24 table 254\nleaves   not at all\n" in said


@pytest.mark.parametrize("rule", ["not dport 443 tun_id 5", "from all goto 26546"])
def test_explain_passes_over_rules_as_the_kernel_does(host, capsys, rule):
    """A tunnel's number that no packet here has, and a goto to where no rule is."""
    host("rule add %s%s priority 20" % (rule, "" if "goto" in rule else " lookup 99"))
    host("route add default via 198.18.0.7 table 99")
    command(capsys, "apply")
    rule = "20: not from all dport 443 lookup 99" if "not" in rule else "26540: from 198.18.1.10 lookup 26521"
    assert "rule     %s\n" % rule in command(capsys, "explain --from 198.18.1.10 --to 192.0.2.1 --dport 443")[1]


def test_explain_names_an_unreachable_route_of_ours(host, capsys, tmp_path):
    """eth1 is strict, and has no gateway to eth0's subnet any more."""
    (tmp_path / "eth1.json").write_text(json.dumps({"name": "eth1", "table": 26521, "strict": True}))
    command(capsys, "apply")
    said = command(capsys, "explain --from 198.18.1.10 --to 198.18.0.7")[1]
    assert "rule     26520: from 198.18.1.10 lookup 26521 suppress_prefixlength 0\n" in said
    assert "route    unreachable 198.18.0.0/24 table 26521 (eth1)\nleaves   not at all\n" in said


def test_explain_shows_the_rules_that_the_packet_passed(host, capsys):
    command(capsys, "apply")
    said = command(capsys, "explain --from 198.18.1.10 --to 192.0.2.1")[1]
    assert said.splitlines()[-3:] == [
        "passed   0: from all lookup local: nothing there",
        "         26520: from 198.18.1.10 lookup 26521 suppress_prefixlength 0: nothing there that is more precise than a default",
        "         26530: from 198.18.1.10 lookup main suppress_prefixlength 0: nothing there that is more precise than a default"]


@pytest.mark.parametrize("words, sentence", [
    ("--to example.net", "--to: example.net is not an IP address"),
    ("--to 192.0.2.1 --from ::1", "--from and --to: one is IPv4 and the other is IPv6"),
    ("--to 192.0.2.1 --oif nowhere", "there is no interface nowhere"),
    ("--to 192.0.2.1 --uid no-such-user", "--uid: there is no user no-such-user on this host"),
    ("--to 192.0.2.1 --dport 65536", "--dport: 65536 is not a number up to 65535"),
    ("--to 192.0.2.1 --ipproto sctp", "the kernel cannot be asked this: Operation not supported"),
    ("--to 192.0.2.1 --mark x", "--mark: x is not a number up to 4294967295"),
])
def test_a_question_that_cannot_be_asked_is_a_sentence(host, capsys, words, sentence):
    assert command(capsys, "explain " + words) == (1, "", "gandi-policy-routing: %s\n" % sentence)


def test_the_installed_program_starts_soon(tmp_path):
    """As it is installed, without byte code. Processor time: a busy machine must not turn this red."""
    folder = tmp_path / "reconciler"
    folder.mkdir()
    for part in _policy_routing.PROGRAM:
        (folder / os.path.basename(part.__file__)).write_bytes(open(part.__file__, "rb").read())
    program = tmp_path / "program"
    program.write_text("import sys; sys.path.insert(0, %r); from reconciler.cli import main; sys.exit(main())" % str(tmp_path))
    took = []
    for _attempt in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run([sys.executable, "-ISB", str(program), "explain", "--to", "127.0.0.1"], check=True, stdout=subprocess.PIPE)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        took.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert b"it is for this host" in done.stdout
    assert min(took) < 0.1
