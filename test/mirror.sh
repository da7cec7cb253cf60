# shellcheck shell=sh
# mirror.sh: what scripts use that read other suites and architectures of the Debian mirror which the
# system's own apt uses, through package lists of their own. Nothing is installed, and the system's
# lists stay as they are. To be read with `.`.

# mirror [security]: the address of the mirror, or of the one for security, out of the system's apt
# configuration; nothing where there is none.
mirror() {
    command -v apt-get > /dev/null && command -v dpkg-deb > /dev/null || return
    (. /etc/os-release && [ "$ID" = debian ]) || return
    # shellcheck disable=SC2016 # apt-get expands them
    apt-get indextargets --format '$(RELEASE) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' |
        awk -v wanted="${1:-}" '$2 == "main" && (wanted ? $1 ~ /-security/ : $1 !~ /-/) { print $3; exit }'
}

# apt_options DIRECTORY: what makes apt use $DIRECTORY/sources.list and keep all that it knows there.
apt_options() {
    echo "-o Dir::Etc::SourceList=$1/sources.list -o Dir::Etc::SourceParts=/dev/null
        -o Dir::State::Lists=$1/lists -o Dir::Cache=$1/cache
        -o Dir::State::status=/dev/null -o APT::Sandbox::User= -o Acquire::Languages=none
        -o Acquire::GzipIndexes=false -o Acquire::Retries=2 -o Acquire::http::Timeout=20"
}

# make_list DIRECTORY ADDRESS SUITE: a package list of one suite's main section, still to be updated.
make_list() {
    mkdir -p "$1/lists/partial" "$1/cache/partial"
    keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    if [ -e $keyring ]; then signed="[signed-by=$keyring] "; else signed=; fi
    echo "deb $signed$2 $3 main" > "$1/sources.list"
}
