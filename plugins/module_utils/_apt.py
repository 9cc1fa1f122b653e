# Copyright: (c) 2026, the gandi.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""apt for one repository and the few packages that are wanted of it.

A repository is tried in a folder of its own before a single file of the host changes: with apt's own lists, caches and sources there.
What apt then says is put into one sentence. So a repository that is no good is refused with the host as it was, and check mode knows
what a repository offers that is not configured yet.
"""

from __future__ import annotations

import contextlib
import glob
import os
import re
import tempfile
import time
import urllib.parse

from . import _files
from ._commands import Failure, run

# Installing may compile, make an initrd, or wait for another apt.
INSTALL_TIMEOUT = 900

HEADER = "# gandi.hosting (role agent): written by Ansible, changes are overwritten\n"
SOURCES = "/etc/apt/sources.list.d/gandi-hosting.sources"
KEYRING = "/etc/apt/keyrings/gandi-hosting.asc"
PREFERENCES = "/etc/apt/preferences.d/gandi-hosting"
SOURCE_FILES = ("/etc/apt/sources.list", "/etc/apt/sources.list.d/*.list", "/etc/apt/sources.list.d/*.sources")
LISTS = "/var/lib/apt/lists"
ARMOR = "-----BEGIN PGP PUBLIC KEY BLOCK-----"
KEY_TIMEOUT = 20
# What the agent's packages replace: nothing else is removed for one.
FAMILY = re.compile(r"gandi-hosting-(vm2?|agent.*)")
# A mirror that does not answer is told of after seconds, not after apt's two minutes and retries; a lock is waited for. apt itself waits
# for dpkg's alone, so that of its lists, which apt-daily.service takes after a boot, is ours to wait for.
LOCK_TIMEOUT = 60
PATIENCE = ("-o", "Acquire::http::Timeout=10", "-o", "Acquire::https::Timeout=10", "-o", "Acquire::Retries=0",
            "-o", "DPkg::Lock::Timeout=%d" % LOCK_TIMEOUT)
# What apt says -> what that means, the first that matches; apt 2.2 to 3.0, with gpgv or sqv.
MEANINGS = (
    (r"NO_PUBKEY|public key is not available|Missing key|BADSIG|No good signature|EXPKEYSIG|EXPSIG",
     "it is not signed by the key that was given"),
    (r"does not have a Release file|404 +\w", "there is no such suite"),
    (r"is not signed", "it is not signed"),
    (r"Could not connect|Could not resolve|Temporary failure|Connection (refused|timed out)|Unable to connect|Cannot initiate|No route",
     "it cannot be reached"),
    (r"is not valid yet|is expired", "its Release file is not valid at this host's time"),
    (r"Failed to fetch|index files failed", "it cannot be read"),
)


def repository_files(repository, packages, key):
    """Return ``{path: content}`` of a repository: its source, the key that it alone is trusted by, and the pin to ``packages``.

    :arg repository: url, suites, components, keyring, key_url, pin.
    :arg key: the armored key, or "" where ``keyring`` is a file of the host.
    """
    from_url = "# key: %s\n" % repository["key_url"] if repository["key_url"] else ""
    pin = repository["pin"] or 'origin "%s"' % urllib.parse.urlsplit(repository["url"]).hostname
    # a path instead of a suite, which ends with a slash, has none
    components = repository["components"] if not repository["suites"].endswith("/") else ""
    contents = {
        SOURCES: HEADER + from_url + "Types: deb\nURIs: %s\nSuites: %s\nComponents: %s\nSigned-By: %s\n" % (
            repository["url"], repository["suites"], components, repository["keyring"] or KEYRING),
        # the specific form wins over the general one, whatever their order (apt_preferences(5))
        PREFERENCES: HEADER + "# Nothing but these is ever taken from the repository.\nPackage: *\nPin: %s\nPin-Priority: -1\n\n"
                              "Package: %s\nPin: %s\nPin-Priority: 500\n" % (pin, " ".join(packages), pin),
    }
    if not repository["keyring"]:
        # before Debian 13 apt finds no key in one with the line ends of Windows
        contents[KEYRING] = "\n".join(key.strip().splitlines()) + "\n"
    return {path: content.encode() for path, content in contents.items()}


def check(repository):
    """Say what is wrong with what was said of a repository.

    :raises Failure: with a sentence.
    """
    parts = urllib.parse.urlsplit(repository["url"])
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Failure("agent_repository_url: %r is not the URL of a repository; expected http:// or https:// and a host"
                      % repository["url"])
    given = [word for word in ("key", "keyring", "key_url") if repository[word]]
    if len(given) != 1:
        raise Failure("%s given with agent_repository_url; expected one of agent_repository_key, agent_repository_keyring and "
                      "agent_repository_key_url: a repository is always signed"
                      % (" and ".join("agent_repository_" + word for word in given) + " are" if given else "no key is"))
    for word in ("suites", "components"):
        if not repository[word] and not repository["suites"].endswith("/"):
            raise Failure("agent_repository_%s is empty; expected the %s of %s" % (word, word, repository["url"]))
    if any(character in value for word, value in repository.items() for character in "\n\r" if word != "key"):
        raise Failure("agent_repository_*: a value has several lines; expected one")
    if repository["key"] and not repository["key"].lstrip().startswith(ARMOR):
        raise Failure("agent_repository_key does not begin with %s; expected an ASCII-armored public key" % ARMOR)
    if repository["keyring"] and not os.path.isfile(repository["keyring"]):
        raise Failure("agent_repository_keyring: %s is not a file of this host; expected a keyring that is there" % repository["keyring"])
    if not repository["pin"]:
        _check_host(parts.hostname)


def key_of(repository):
    """Return the armored key: as it was given, or from its URL, which is asked only if this URL's key is not there already.

    :raises Failure: it cannot be fetched, or is no key.
    """
    url = repository["key_url"]
    if not url:
        return repository["key"]
    if ("# key: %s\n" % url).encode() in (_files.read(SOURCES) or b"") and _files.read(KEYRING):
        return _files.read(KEYRING).decode("utf-8", "replace")
    if not url.startswith(("https://", "file:///")):
        raise Failure("agent_repository_key_url: %s: a key that came over an open line proves nothing; expected https://" % url)
    # only where a key is fetched: loading it takes as long as all the rest of a second run
    from ansible.module_utils.urls import open_url
    try:
        with open_url(url, timeout=KEY_TIMEOUT) as answer:
            key = answer.read(1 << 20).decode("utf-8", "replace")
    except OSError as error:     # URLError is one
        raise Failure("agent_repository_key_url: %s cannot be fetched: %s" % (url, error)) from error
    if not key.lstrip().startswith(ARMOR):
        raise Failure("agent_repository_key_url: %s does not begin with %s; expected an ASCII-armored public key" % (url, ARMOR))
    return key


@contextlib.contextmanager
def tried(contents, repository):
    """Have a repository in a folder of its own; give the options with which apt sees it and nothing else.

    A default release that the host has, and the repository has not, would be an error.

    :raises Failure: with the sentence about what is wrong with it.
    """
    with tempfile.TemporaryDirectory(prefix="gandi-hosting-apt-") as folder:
        os.chmod(folder, 0o755)     # apt fetches and verifies as a user of its own
        for name in ("parts", "lists", "cache"):
            os.mkdir(os.path.join(folder, name))
        source = contents[SOURCES].decode()
        if KEYRING in contents:
            keyring = os.path.join(folder, "key.asc")
            _files.write(keyring, contents[KEYRING])
            source = source.replace("Signed-By: " + KEYRING, "Signed-By: " + keyring)
        _files.write(os.path.join(folder, "parts/gandi-hosting.sources"), source.encode())
        options = ("-o", "Dir::Etc::SourceList=/dev/null", "-o", "Dir::Etc::SourceParts=%s/parts" % folder,
                   "-o", "Dir::State::Lists=%s/lists" % folder, "-o", "Dir::Cache=%s/cache" % folder, "-o", "APT::Default-Release=")
        said = run("apt-get", "update", *options, *PATIENCE, check=False)[1]
        sentence = refusal(said, repository)
        if sentence and _is_unreadable(repository["keyring"]):
            raise Failure("agent_repository_keyring: %s cannot be read by the user _apt, as which apt verifies; expected a keyring that can"
                          % repository["keyring"])
        if sentence:
            raise Failure(sentence)
        yield options


def refusal(said, repository):
    """Return the sentence about a repository that apt could not use, or None. It always exits 0 for one that does not answer."""
    lines = [line for line in said.splitlines() if line.startswith(("E: ", "W: ", "Err:"))]
    if not lines:
        return None
    where = "the repository %s (%s)" % (repository["url"], repository["suites"])
    for pattern, meaning in MEANINGS:
        for line in lines:
            if re.search(pattern, line):
                return "%s is refused: %s; expected one that is signed by the key given (agent_repository_*). apt: %s" % (
                    where, meaning, line)
    errors = [line for line in lines if not line.startswith("W: ")]
    return "%s is refused. apt: %s" % (where, errors[0]) if errors else None


def refresh(contents):
    """Read what the configured repository offers; without one, what all of the host's offer. Return apt's warnings: it warns of a mirror
    that does not answer, and exits 0.

    :raises Failure: with apt's own words.
    """
    only = ("-o", "Dir::Etc::SourceList=" + SOURCES, "-o", "Dir::Etc::SourceParts=/dev/null", "-o", "APT::Get::List-Cleanup=0")
    deadline = time.monotonic() + LOCK_TIMEOUT
    while True:
        status, said = run("apt-get", "update", "-q", *(only if contents else ()), *PATIENCE, check=False, timeout=INSTALL_TIMEOUT)
        if not status:
            return [line for line in said.splitlines() if line.startswith("W: ")]
        if "Could not get lock" not in said or time.monotonic() > deadline:
            raise Failure("apt cannot read what the repositories offer; expected sources that are all in order. apt: %s" % said_by_apt(said))
        time.sleep(1)


def forget(repository):
    """Remove what apt has read of a repository that is not configured any more; apt itself would do so with its next update of all."""
    place = repository["url"].rstrip("/").split("://")[1].rpartition("@")[2]
    # apt-pkg/strutl.cc, URItoFileName
    place = re.sub(r"[^ -~]|[][\\|{}<>\"^~_=!@#$%&* ]", lambda match: "%%%02x" % ord(match.group()), place).replace("/", "_")
    for path in glob.glob("%s/%s_*" % (LISTS, glob.escape(place))):
        _files.remove(path)


def candidates(names, options=()):
    """Return ``{name: version}`` of what apt would install."""
    _status, output = run("apt-cache", "policy", *options, *names, check=False)
    found, name = {}, ""
    for line in output.splitlines():
        if line and not line.startswith(" "):
            name = line.rstrip(":")
        elif line.startswith("  Candidate: ") and not line.endswith("(none)"):
            found[name] = line.split(": ", 1)[1]
    return found


def offered(names, options=()):
    """Return ``{name: version}`` of the newest that a repository has; a candidate may also be what is installed already."""
    found = {}
    for line in run("apt-cache", "madison", *options, *names, check=False)[1].splitlines():
        columns = [column.strip() for column in line.split("|")]
        if len(columns) == 3 and columns[2].endswith(" Packages"):
            found.setdefault(columns[0], columns[1])
    return found


def installed(names):
    """Return ``{name: (version, "install" or "hold", "installed" or another state)}`` of what dpkg knows.

    dpkg-query also succeeds, with an empty version, for a name that another package provides.
    """
    form = "${Package}\t${Version}\t${db:Status-Want}\t${db:Status-Status}\n"
    _status, output = run("dpkg-query", "-W", "-f", form, *names, check=False)
    rows = [line.split("\t") for line in output.splitlines() if line.count("\t") == 3]
    return {name: (version, want, status) for name, version, want, status in rows if version and status != "not-installed"}


def at_least(version, minimum):
    return run("dpkg", "--compare-versions", version, "ge", minimum, check=False)[0] == 0


def install(packages):
    """Install ``["name=version", ...]``: no question is asked, and a configuration file that somebody has edited stays.

    :raises Failure: with apt's own words; where it can be known before, nothing has changed.
    """
    command = ("apt-get", "-q", "-y", *PATIENCE, "-o", "Dpkg::Options::=--force-confdef", "-o", "Dpkg::Options::=--force-confold")
    for simulated in ((*command, "-s", "install", *packages), (*command, "install", *packages)):
        status, said = run(*simulated, check=False, timeout=INSTALL_TIMEOUT)
        if status:
            raise Failure("%s cannot be installed. apt: %s" % (" ".join(packages), said_by_apt(said)))
        in_the_way = [name for name in re.findall(r"(?m)^Remv (\S+)", said) if not FAMILY.fullmatch(name)]
        if in_the_way:
            raise Failure("%s cannot be installed without removing %s; expected no package in its way" % (
                " ".join(packages), " ".join(in_the_way)))


def purge(names):
    """Remove packages with their configuration files: the agent's udev rule and the program it runs are such files."""
    status, said = run("apt-get", "-q", "-y", *PATIENCE, "purge", *names, check=False, timeout=INSTALL_TIMEOUT)
    if status:
        raise Failure("%s cannot be removed. apt: %s" % (" ".join(names), said_by_apt(said)))


def said_by_apt(output):
    """Return the lines that say why, on one line."""
    lines = output.splitlines()
    telling = [line for line in lines if line.startswith(("E: ", "dpkg: error", " ")) and line.strip()] or lines[-3:]
    return " ".join(line.strip() for line in telling[:6])


def _is_unreadable(keyring):
    return bool(keyring) and run("runuser", "-u", "_apt", "--", "test", "-r", keyring, check=False)[0] == 1


def _check_host(host):
    """A pin by host would also take away what another source has from that host."""
    for path in [path for pattern in SOURCE_FILES for path in sorted(glob.glob(pattern))]:
        lines = [line for line in (_files.read(path) or b"").decode("utf-8", "replace").splitlines() if not line.lstrip().startswith("#")]
        if path != SOURCES and re.search(r"://([^/\s]*@)?%s[:/\s]" % re.escape(host), "\n".join(lines) + "\n"):
            raise Failure("agent_repository_url: %s also has packages from %s, and a pin by host would take them away; expected "
                          "agent_repository_pin, what the Release file says of itself, for example: release o=Gandi" % (path, host))
