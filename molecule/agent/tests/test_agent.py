# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The role against a real apt, a signed repository and real packages. Each test starts on a machine without any of it."""

import json
import re
import subprocess
from pathlib import Path

import pytest

PLAYBOOK = Path(__file__).parents[2] / "shared" / "agent.yml"
CLEAN = """
apt-mark unhold gandi-hosting-vm; apt-get -qy purge 'gandi-hosting-vm*'
rm -rf /etc/apt/*/gandi* /etc/apt/sources.list.d/* /var/lib/apt/lists/*_*; true
"""
STATE = """
find /etc /usr/lib/systemd /usr/local /var/lib/apt/lists /var/lib/gandi-hosting -type f 2>/dev/null | grep -v -e ld.so.cache -e /partial/ | sort |
    xargs -d '\\n' sha256sum
dpkg-query -W -f '${Package} ${Version} ${db:Status-Abbrev}\\n'
"""
SETTINGS = "/etc/default/gandi"


@pytest.fixture
def run(inventory, machine, lab):
    """Return a function that runs the role on one machine, which has neither agent nor repository before."""
    lab.exec(machine, "sh", "-c", CLEAN)

    def play(*options, **variables):
        command = ["ansible-playbook", "--inventory", inventory, "--limit", machine, str(PLAYBOOK), "--extra-vars", json.dumps(variables)]
        done = subprocess.run(command + list(options), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        # Ansible folds long messages
        said = re.sub(r"\s+", " ", done.stdout)
        return done.returncode, int(re.search(r"changed=(\d+)", said).group(1)), said

    return play


@pytest.fixture
def state(lab, machine):
    """Return a function that says what is on the machine: files and packages."""
    return lambda: lab.exec(machine, "sh", "-c", STATE).stdout


def installed(host):
    return host.check_output("dpkg-query -W -f '${Package} ${Version} ${db:Status-Status}\\n' 'gandi-hosting-vm*' 2>/dev/null || true").strip()


def settings(host):
    """What a shell that sources the settings has."""
    return dict(line.split("=", 1) for line in host.check_output("sh -c 'set -a; . %s; env' | grep ^CONFIG_" % SETTINGS).splitlines())


@pytest.mark.parametrize("variables, sentence", [
    ({"agent_repository_url": ""}, "no configured repository offers gandi-hosting-vm or gandi-hosting-vm2; expected one that does"),
    ({"agent_repository_suites": "old"},
     "gandi-hosting-vm 2651 is the newest that the configured repositories offer; expected 2652 or newer, or gandi-hosting-vm2 in any version"),
    ({"agent_repository_suites": "unsigned"}, "(unsigned) is refused: it is not signed; expected one that is signed by the key given"),
    ({"agent_repository_suites": "wrongkey"}, "(wrongkey) is refused: it is not signed by the key that was given; expected"),
    ({"agent_repository_suites": "nosuch"}, "(nosuch) is refused: there is no such suite; expected"),
    ({"agent_repository_url": "http://198.18.0.77"}, "the repository http://198.18.0.77 (current) is refused: it cannot be reached; expected"),
    ({"agent_repository_suites": "broken"}, "gandi-hosting-vm=2652 cannot be installed. apt: "),
    ({"agent_repository_key": ""}, "no key is given with agent_repository_url; expected one of agent_repository_key"),
    ({"agent_repository_key": "", "agent_repository_key_url": "http://198.18.0.1/key.asc"}, "a key that came over an open line proves nothing"),
    ({"agent_repository_key": "", "agent_repository_keyring": "/nowhere.gpg"}, "/nowhere.gpg is not a file of this host; expected a keyring"),
], ids=["no repository", "too old", "unsigned", "wrong key", "no suite", "unreachable", "broken", "no key", "open key", "no keyring"])
def test_what_is_not_good_enough_is_refused_with_a_sentence_and_the_host_unchanged(run, state, variables, sentence):
    before = state()
    status, _changed, said = run(**variables)
    assert status != 0 and sentence in said
    assert state() == before


def test_the_package_is_installed_and_a_second_run_changes_nothing(run, host):
    assert run()[:2] == (0, 1)
    assert installed(host) == "gandi-hosting-vm 2652 installed"
    assert run()[:2] == (0, 0)


def test_check_mode_predicts_and_changes_nothing(run, state, host):
    before = state()
    status, changed, said = run("--check", "--diff")
    assert (status, changed, state()) == (0, 1, before)
    assert "+gandi-hosting-vm 2652" in said and '+CONFIG_NODHCP="eth0"' in said
    run()
    assert run("--check")[:2] == (0, 0)


def test_nothing_but_the_agent_is_ever_taken_from_the_repository(run, host):
    """It has a version of ping that apt would prefer to Debian's."""
    run()
    policy = host.check_output("apt-cache policy iputils-ping")
    assert "99:1 -1" in policy and "Candidate: 99:1" not in policy
    assert "iputils-ping" not in host.check_output("apt-get -s dist-upgrade")
    assert host.run("apt-get -s install gandi-hosting-vm").rc == 0


@pytest.mark.parametrize("variables", [
    {"agent_repository_key": "", "agent_repository_keyring": "/usr/local/share/lab.asc"},
    {"agent_repository_key": "", "agent_repository_key_url": "file:///usr/local/share/lab.asc"},
], ids=["keyring", "URL"])
def test_the_key_may_be_a_file_or_a_url(run, lab, machine, host, variables):
    lab.exec(machine, "python3", "-c", "import urllib.request as u; u.urlretrieve('http://198.18.0.1/key.asc', '/usr/local/share/lab.asc')")
    assert run(**variables)[:2] == (0, 1)
    assert installed(host) == "gandi-hosting-vm 2652 installed"
    assert run(**variables)[:2] == (0, 0)


def test_a_host_that_another_source_has_too_needs_a_pin_of_its_own(run, host, lab, machine):
    """By its host alone the other source's packages would be taken away as well."""
    lab.exec(machine, "sh", "-c", "echo 'deb [trusted=yes] http://198.18.0.1 unsigned main' >/etc/apt/sources.list.d/other.list")
    status, _changed, said = run()
    assert status != 0 and "/etc/apt/sources.list.d/other.list also has packages from 198.18.0.1" in said
    assert run(agent_repository_pin="release n=current")[0] == 0
    assert installed(host) == "gandi-hosting-vm 2652 installed"


LOCK = "import fcntl, time; fcntl.lockf(open('/var/lib/apt/lists/lock', 'w'), fcntl.LOCK_EX); time.sleep(6)"
PRECIOUS = r"""
mkdir -p /tmp/precious/DEBIAN
printf 'Package: precious\nVersion: 1\nArchitecture: all\nMaintainer: x\nDescription: x\nConflicts: gandi-hosting-vm\n' >/tmp/precious/DEBIAN/control
dpkg-deb --build /tmp/precious
dpkg --install /tmp/precious.deb
"""
DEFAULT_RELEASE = """
echo 'APT::Default-Release "old";' >/etc/apt/apt.conf.d/gandi-lab
echo 'deb [trusted=yes] http://198.18.0.1 old main' >/etc/apt/sources.list.d/other.list
apt-get update
"""


@pytest.mark.parametrize("command, variables", [
    (("sh", "-ec", DEFAULT_RELEASE), {"agent_repository_pin": "release n=current"}),
    (("systemd-run", "--collect", "python3", "-c", LOCK), {}),
], ids=["a default release that the repository has not", "another apt reads what is offered"])
def test_what_a_host_has_said_to_apt_is_no_hindrance(run, host, lab, machine, command, variables):
    lab.exec(machine, *command)
    status, changed, said = run(**variables)
    assert (status, changed) == (0, 1), said
    assert installed(host) == "gandi-hosting-vm 2652 installed"
    assert run(**variables)[:2] == (0, 0)


def test_a_key_with_the_line_ends_of_windows_is_a_key(run, host):
    variables = {"agent_repository_key": "{{ lookup('ansible.builtin.file', lab_repository_key) | replace('\n', '\r\n') }}"}
    assert run(**variables)[:2] == (0, 1)
    assert installed(host) == "gandi-hosting-vm 2652 installed"


def test_a_settings_file_that_is_elsewhere_is_edited_there(run, host, lab, machine):
    """The link stays one; the file keeps its owner."""
    run()
    lab.exec(machine, "sh", "-c", "mv %s /srv/gandi; chown root:adm /srv/gandi; ln -s /srv/gandi %s" % (SETTINGS, SETTINGS))
    assert run(agent_config={"motd": False})[:2] == (0, 1)
    assert host.file(SETTINGS).is_symlink and host.file("/srv/gandi").group == "adm"
    assert settings(host)["CONFIG_MOTD"] == "0"
    lab.exec(machine, "rm", SETTINGS, "/srv/gandi")


def test_nothing_else_is_removed_for_it(run, host, lab, machine):
    """apt-get would, without a word, what is in its way."""
    lab.exec(machine, "sh", "-ec", PRECIOUS)
    status, _changed, said = run()
    kept = host.run("dpkg-query -W precious").rc
    lab.exec(machine, "dpkg", "--purge", "precious")
    assert status != 0 and "gandi-hosting-vm=2652 cannot be installed without removing precious; expected no package in its way" in said
    assert kept == 0


def test_one_that_is_too_old_is_upgraded_and_the_administrators_settings_stay(run, host, lab, machine):
    """The newer package has another settings file: dpkg would ask, and an answer either way would be wrong."""
    run(agent_repository_suites="old", agent_minimum_version="1")
    lab.exec(machine, "sh", "-c", "echo '# mine' >>%s; echo 'CONFIG_CRON=0 # not here' >>%s; echo MINE=1 >>%s" % ((SETTINGS,) * 3))
    before = host.file(SETTINGS).content_string
    status, changed, said = run(agent_config={"motd": False})
    assert (status, changed) == (0, 1), said
    assert installed(host) == "gandi-hosting-vm 2652 installed"
    assert host.file(SETTINGS).content_string == before.replace("CONFIG_MOTD=1", "CONFIG_MOTD=0")


def test_one_that_is_held_is_left_with_a_sentence(run, host, state):
    run(agent_repository_suites="old", agent_minimum_version="1")
    host.check_output("apt-mark hold gandi-hosting-vm")
    before = state()
    status, _changed, said = run()
    assert status != 0 and "gandi-hosting-vm 2651 is on hold; expected 2652 or newer" in said
    assert state() == before


def test_latest_keeps_current_and_present_does_not(run, host):
    run()
    assert run(agent_repository_suites="newer")[0] == 0
    assert installed(host) == "gandi-hosting-vm 2652 installed"
    assert run(agent_repository_suites="newer", agent_state="latest")[:2] == (0, 1)
    assert installed(host) == "gandi-hosting-vm 2653 installed"
    assert run(agent_repository_suites="newer", agent_state="latest")[:2] == (0, 0)


@pytest.mark.parametrize("have", ["newer", "successor"])
def test_nothing_is_downgraded(run, host, have):
    """Neither to a lower version nor from the successor to its predecessor."""
    run(agent_repository_suites=have)
    before = installed(host)
    status, _changed, said = run(agent_state="latest")
    assert status == 0 and installed(host) == before
    assert have == "successor" or "gandi-hosting-vm 2653 is installed, and the repositories offer 2652 at most: nothing is downgraded" in said


def test_the_successor_is_good_enough_in_any_version_and_replaces(run, host):
    run(agent_repository_suites="old", agent_minimum_version="1")
    assert run(agent_repository_suites="successor")[0] == 0
    assert "gandi-hosting-vm2 2.43 installed" in installed(host) and "2651 installed" not in installed(host)
    assert run(agent_repository_suites="successor")[:2] == (0, 0)


def test_absent_takes_everything_away(run, host, state):
    """Also the udev rule and the program it runs: they are configuration files, which a mere removal would leave at work."""
    before = state()
    run(agent_repairs=["udevd"])
    assert host.file("/etc/udev/rules.d/86-gandi.rules").exists
    assert run(agent_state="absent")[:2] == (0, 1)
    # what apt has read of the repository is apt's
    assert [line for line in state().splitlines() if line not in before.splitlines() and "/apt/lists/" not in line] == []
    assert run(agent_state="absent")[:2] == (0, 0)


def test_kept_sees_to_repairs_and_leaves_the_rest(run, host):
    """As remove.yml does it; what the division of labour replaced in the settings is back."""
    run(agent_repairs=["udevd"], gandi_interfaces=[])
    before = host.file(SETTINGS).content_string
    assert run(agent_repairs=["udevd"], gandi_interfaces=[{"name": "eth0", "primary": True}, {"name": "eth1"}])[:2] == (0, 1)
    assert host.file("/etc/systemd/system/systemd-udevd.service.d/gandi-hosting.conf").exists
    assert settings(host)["CONFIG_NODHCP"] == "eth0 eth1"
    assert run(agent_state="kept", agent_repairs=[], agent_config={}, gandi_interfaces=[])[:2] == (0, 1)
    assert host.file(SETTINGS).content_string == before and not host.file("/var/lib/gandi-hosting").exists
    assert not host.file("/etc/systemd/system/systemd-udevd.service.d").exists
    assert installed(host) == "gandi-hosting-vm 2652 installed" and host.file("/etc/apt/sources.list.d/gandi-hosting.sources").exists


def test_each_setting_is_an_option(run, host):
    """Typed; what is not said stays; the interfaces that are configured by us are not the agent's."""
    run(agent_config={"mount_params": "rw,noexec", "disk_root": "/data disks", "timezone": False, "multiqueue": "no"})
    found = settings(host)
    assert found == {"CONFIG_MOTD": "1", "CONFIG_TIMEZONE": "0", "CONFIG_SYSCTL": "0", "CONFIG_SSHD": "1", "CONFIG_CONSOLE": "1",
                     "CONFIG_HOSTNAME": "1", "CONFIG_NAMESERVER": "1", "CONFIG_CRON": "1", "CONFIG_ALLOW_MOUNT": "1",
                     "CONFIG_MOUNT_PARAMS": "rw,noexec", "CONFIG_DISK_ROOT": "/data disks", "CONFIG_NODHCP": "eth0",
                     "CONFIG_MULTIQUEUE": "0", "CONFIG_NETWORK": "0"}
    run(agent_config={"nodhcp": ["eth0", "eth5"], "network": True, "sysctl": True})
    found = settings(host)
    assert (found["CONFIG_NODHCP"], found["CONFIG_NETWORK"], found["CONFIG_SYSCTL"]) == ("eth0 eth5", "1", "1")


def test_what_will_surprise_is_told(run, host, lab, machine):
    """The agent's sysctls over ours at boot, with file and line; who else configures an interface."""
    lab.exec(machine, "sh", "-c", "echo 'net.ipv4.conf.all.rp_filter = 0' >/etc/sysctl.d/99-z-gandi-hosting.conf")
    run()
    said = run(agent_config={"sysctl": True, "nodhcp": []})[2]
    lab.exec(machine, "rm", "/etc/sysctl.d/99-z-gandi-hosting.conf")
    assert "at boot the agent sets net/ipv4/conf/all/rp_filter to 2 (/etc/gandi/sysctl.conf:4), over the 0 of this host" in said
    assert "eth0: both the agent and gandi_interfaces configure it, because CONFIG_NODHCP=\"\" does not name it" in said


@pytest.mark.parametrize("interfaces, sentence", [
    ([{"name": "eth1", "agent": True}], "eth1: agent: true, but there is no /gandi/config"),
    ([{"name": "eth10"}, {"name": "eth1", "agent": True}], "its name is a part of CONFIG_NODHCP=\"eth0 eth10\""),
    ([{"name": "ens3", "agent": True}], "ens3: agent: true, but the agent's udev rule matches eth? only"),
])
def test_an_interface_that_the_agent_could_not_configure_is_an_error_before_anything_changes(run, state, interfaces, sentence):
    before = state()
    status, _changed, said = run(gandi_interfaces=[{"name": "eth0", "primary": True}, *interfaces], agent_repairs=[])
    assert status != 0 and sentence in said
    assert state() == before
