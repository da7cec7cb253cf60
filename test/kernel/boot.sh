#!/bin/sh
# boot.sh KERNEL MACHINE PROGRAM [ARGUMENT...]: boots KERNEL in QEMU with nothing but the static test
# PROGRAM as its first process, which gets the arguments, and prints the console. MACHINE is a name of
# the table below. MEMORY is in MiB (by default no more than a 32-bit kernel maps at all times: see
# kernels.txt), CPUS their number, SECONDS_MAX when it is given up, APPEND further words of the
# kernel's command line (test/init.h), DEVICES further arguments of QEMU.
#
# DISK=1 adds three NVMe drives that last as long as the boot, for kernels that have the driver and
# ext4 built in (Debian's cloud kernels): an empty one, whose queues can be polled, and two with ext4,
# of which the larger one has the tests' temporary files and the small one is there to be filled up.
#
# Exits with the program's status; with 125 where its last line (oxbow-init: status N) did not come,
# whatever QEMU says: it ends with 0 after a panic, too. 126: QEMU is not installed. A kernel that panics
# before the program begins (oxbow-init: begins) gets a second try, and this is said: in QEMU 7.2, one of
# some hundred boots of Linux 6.12 has ended so, while the kernel replaced its own instructions.
set -u
: "${SECONDS_MAX:=600}" "${APPEND:=}" "${DEVICES:=}" "${DISK:=}"
# For one processor alone, QEMU up to 7.2 leaves out the barriers that the kernel asks for. But a drive
# runs beside it, and now and then would not see that there is something to do.
: "${CPUS:=$((${#DISK} != 0 ? 2 : 1))}"
PATH=$PATH:/usr/sbin:/sbin # mke2fs
kernel=$1
machine=$2
program=$3
shift 3

case "$machine" in
i386) : "${MEMORY:=768}" ;;
arm) : "${MEMORY:=704}" ;;
*) : "${MEMORY:=2048}" ;;
esac

# What the program tells QEMU is QEMU's status, on machines that have a way.
debug_exit='-device isa-debug-exit,iobase=0xf4,iosize=4'
semihosting='-semihosting-config enable=on,userspace=on,target=native'
case "$machine" in
x86_64) qemu="qemu-system-x86_64 -M q35 -cpu max $debug_exit" console=ttyS0 ;;
i386) qemu="qemu-system-i386 -M q35 -cpu max $debug_exit" console=ttyS0 ;;
aarch64) qemu="qemu-system-aarch64 -M virt -cpu max,pauth-impdef=on $semihosting" console=ttyAMA0 ;;
arm) qemu="qemu-system-arm -M virt -cpu cortex-a15 $semihosting" console=ttyAMA0 ;;
riscv64) qemu="qemu-system-riscv64 -M virt -cpu rv64 $semihosting" console=ttyS0 ;;
# With its vectors, QEMU 7.2 loses what the kernel has to sum itself (Linux 7.2 does it with them):
# no reset and no ICMP error arrives, not even on the loopback device.
s390x) qemu='qemu-system-s390x -M s390-ccw-virtio -cpu max,vx=off,vxeh=off' console=ttysclp0 ;;
ppc64le) qemu='qemu-system-ppc64 -M pseries -cpu power9' console=hvc0 ;;
*)
    echo "boot.sh: no machine $machine: x86_64, i386, aarch64, arm, riscv64, s390x or ppc64le" >&2
    exit 2
    ;;
esac
for tool in "${qemu%% *}" cpio ${DISK:+mke2fs}; do
    command -v "$tool" > /dev/null || {
        echo "boot.sh: $tool is not installed" >&2
        exit 126
    }
done
for file in "$kernel" "$program"; do
    [ -r "$file" ] || {
        echo "boot.sh: $file cannot be read" >&2
        exit 2
    }
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
cp "$program" "$work/init" && chmod 755 "$work/init" || exit 2
# The same bytes each time, or a recorded run could not be replayed.
touch -d @0 "$work/init" || exit 2
(cd "$work" && echo init | cpio -o -H newc --reproducible > initramfs 2> /dev/null) || exit 2

# drive NAME MIB: a sparse image of that size as an NVMe drive, by whose serial number init.cc finds it.
# What the host would lose in a power failure is of no interest.
drive() {
    truncate -s "$2M" "$work/$1" || exit 2
    DEVICES="$DEVICES -drive file=$work/$1,if=none,id=$1,format=raw,cache=unsafe,discard=unmap -device nvme,drive=$1,serial=oxbow-$1"
}
# file_system NAME: ext4 in the image. The kernel need not clear what is empty already.
file_system() {
    mke2fs -q -t ext4 -b 4096 -m 0 "$work/$1" || {
        echo "boot.sh: mke2fs made no file system of $work/$1" >&2
        exit 2
    }
}
if [ -n "$DISK" ]; then
    drive block 64
    drive files 1024
    drive small 8
    file_system files
    file_system small
    APPEND="$APPEND nvme.poll_queues=1 OXBOW_DISK=nvme TMPDIR=/disk OXBOW_BLOCK_DEVICE=/dev/oxbow-block"
    APPEND="$APPEND OXBOW_NVME_DEVICE=/dev/oxbow-nvme OXBOW_NVME_CONTROLLER=/dev/oxbow-controller"
    APPEND="$APPEND OXBOW_SMALL_DISK=/small"
fi

# boot ARGUMENT...: leaves the console in $work/console. Whoever watches it while the program runs sees
# each line at once.
boot() {
    # shellcheck disable=SC2086 # lists of arguments
    timeout -k 5 "$SECONDS_MAX" $qemu -nodefaults -no-reboot -display none -serial stdio \
        -m "$MEMORY" -smp "$CPUS" -kernel "$kernel" -initrd "$work/initramfs" $DEVICES -append \
        "console=$console quiet panic=-1 oops=panic mitigations=off cryptomgr.notests OXBOW_EXIT=qemu $APPEND -- $*" \
        < /dev/null 2>&1 | stdbuf -oL tr -d '\r' | tee "$work/console"
}

boot "$@"
if grep -q 'Kernel panic' "$work/console" && ! grep -q '^oxbow-init: begins$' "$work/console"; then
    echo 'boot.sh: the kernel panicked before the program began; once more'
    boot "$@"
fi
status=$(sed -n 's/^oxbow-init: status \([0-9]*\)$/\1/p' "$work/console" | tail -n 1)
exit "${status:-125}"
