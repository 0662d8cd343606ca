# nginx and fcgiwrap for git's side of `make bench`: Debian's packages, unpacked into the cache, not
# installed. Sourced; sets BENCH_NGINX, or says why git's side is measured without them.

nginx_packages=(nginx fcgiwrap libfcgi0ldbl)

nginx_unpack() {
    local folder=$1 package
    has apt-get && has dpkg || return 1
    apt-cache show "${nginx_packages[@]}" >/dev/null 2>&1 || apt_update
    rm -rf "$folder.new"
    mkdir -p "$folder.new/packages"
    say "fetching Debian's ${nginx_packages[*]}"
    (cd "$folder.new/packages" &&
        apt-get download -qq -o APT::Sandbox::User=root "${nginx_packages[@]}" >&2) || return 1
    for package in "$folder.new"/packages/*.deb; do dpkg -x "$package" "$folder.new/root"; done
    rm -rf "$folder.new/packages" "$folder"
    mv "$folder.new" "$folder"
}

use_nginx() {
    local folder="$cache/nginx"
    lock_cache
    [ -x "$folder/root/usr/sbin/nginx" ] || (nginx_unpack "$folder") || true
    unlock_cache
    if "$folder/root/usr/sbin/nginx" -v 2>/dev/null; then
        export BENCH_NGINX="$folder/root"
    else
        say "nginx cannot be had here: git's side runs behind the project's own CGI server," \
            "which costs less than nginx and fcgiwrap do"
    fi
}
