# shellcheck shell=sh
# Sourced where tests run on a machine that gives no rings: loops, and what they are made of. A storm of
# alarms leaves an emulated machine no time to start threads in.
without_rings='loop_*,epoll_*,perform_*,wait_thread_*,worker_pool_*,start_*,reason_*,probe_*'
# shellcheck disable=SC2034 # for the scripts
without_rings="$without_rings,-*/uring*,-loop_transient_signals_while_threads_are_started*,-loop_scale_*"
