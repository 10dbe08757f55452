//! Constants that C code has as macros: numbers that are the same on every kernel.
//!
//! Most are in the library already, in the texts by which its functions turn numbers into names
//! (`"EPERM=1 ENOENT=2 "`, `"O_WRONLY=0x1/0x3 "`): they are looked up there. What no function shows is in
//! [`MORE`].

use crate::library::Library;

/// Names with their numbers, in the form of the library's texts: a space behind each.
const MORE: &str = "\
    NULL=0 true=1 false=0 \
    CHAR_BIT=8 CHAR_MAX=127 UCHAR_MAX=255 SHRT_MAX=32767 USHRT_MAX=65535 INT_MAX=2147483647 \
    INT_MIN=-2147483648 UINT_MAX=4294967295 LONG_MAX=9223372036854775807 LONG_MIN=-9223372036854775808 \
    ULONG_MAX=-1 LLONG_MAX=9223372036854775807 LLONG_MIN=-9223372036854775808 ULLONG_MAX=-1 \
    U8_MAX=255 U16_MAX=65535 U32_MAX=4294967295 U64_MAX=-1 S8_MAX=127 S16_MAX=32767 S32_MAX=2147483647 \
    S64_MAX=9223372036854775807 \
    PATH_MAX=4096 NAME_MAX=255 TASK_COMM_LEN=16 IFNAMSIZ=16 MAX_ERRNO=4095 SECTOR_SHIFT=9 SECTOR_SIZE=512 \
    MINORBITS=20 MINORMASK=0xfffff \
    EWOULDBLOCK=11 EDEADLOCK=35 ENOTSUP=95 SIGIOT=6 SIGPOLL=29 SIGCLD=17 SIGUNUSED=31 NSIG=64 _NSIG=64 \
    SIG_DFL=0 SIG_IGN=1 \
    O_ACCMODE=3 S_IFMT=0xf000 S_IRWXUGO=0x1ff S_IALLUGO=0xfff S_IRUGO=0x124 S_IWUGO=0x92 S_IXUGO=0x49 \
    F_OK=0 AT_EACCESS=0x200 STDIN_FILENO=0 STDOUT_FILENO=1 STDERR_FILENO=2 \
    FMODE_READ=1 FMODE_WRITE=2 FMODE_LSEEK=4 FMODE_PREAD=8 FMODE_PWRITE=0x10 FMODE_EXEC=0x20 \
    VM_NONE=0 VM_READ=1 VM_WRITE=2 VM_EXEC=4 VM_SHARED=8 VM_MAYREAD=0x10 VM_MAYWRITE=0x20 VM_MAYEXEC=0x40 \
    VM_MAYSHARE=0x80 VM_GROWSDOWN=0x100 VM_PFNMAP=0x400 VM_LOCKED=0x2000 VM_IO=0x4000 \
    PROT_NONE=0 MAP_SHARED=1 MAP_PRIVATE=2 MAP_ANON=0x20 \
    TASK_RUNNING=0 TASK_INTERRUPTIBLE=1 TASK_UNINTERRUPTIBLE=2 __TASK_STOPPED=4 __TASK_TRACED=8 \
    EXIT_DEAD=16 EXIT_ZOMBIE=32 TASK_PARKED=64 TASK_DEAD=128 TASK_WAKEKILL=256 TASK_WAKING=512 \
    TASK_NOLOAD=1024 TASK_NEW=2048 TASK_KILLABLE=258 TASK_IDLE=1026 TASK_NORMAL=3 \
    PF_IDLE=2 PF_EXITING=4 PF_WQ_WORKER=0x20 PF_FORKNOEXEC=0x40 PF_SUPERPRIV=0x100 PF_DUMPCORE=0x200 \
    PF_SIGNALED=0x400 PF_MEMALLOC=0x800 PF_KTHREAD=0x200000 PF_RANDOMIZE=0x400000 \
    MAX_RT_PRIO=100 MAX_PRIO=140 MAX_NICE=19 MIN_NICE=-20 DEFAULT_PRIO=120 SCHED_OTHER=0 \
    IPPROTO_ICMPV6=58 IPPROTO_TCP=6 IPPROTO_UDP=17 IPPROTO_RAW=255 INADDR_ANY=0 INADDR_LOOPBACK=0x7f000001 \
    INADDR_BROADCAST=0xffffffff SOMAXCONN=4096 SOL_SOCKET=1 \
    TCP_NODELAY=1 TCP_MAXSEG=2 TCP_CORK=3 TCP_KEEPIDLE=4 TCP_KEEPINTVL=5 TCP_KEEPCNT=6 TCP_SYNCNT=7 \
    TCP_LINGER2=8 TCP_DEFER_ACCEPT=9 TCP_WINDOW_CLAMP=10 TCP_INFO=11 TCP_QUICKACK=12 TCP_CONGESTION=13 \
    ETH_ALEN=6 ETH_HLEN=14 ETH_DATA_LEN=1500 ETH_FRAME_LEN=1514 ETH_P_ALL=3 ETH_P_IP=0x800 \
    ETH_P_ARP=0x806 ETH_P_RARP=0x8035 ETH_P_8021Q=0x8100 ETH_P_IPV6=0x86dd \
    NF_DROP=0 NF_ACCEPT=1 NF_STOLEN=2 NF_QUEUE=3 NF_REPEAT=4 \
    POLLIN=1 POLLPRI=2 POLLOUT=4 POLLERR=8 POLLHUP=0x10 POLLNVAL=0x20 \
    EPOLLIN=1 EPOLLPRI=2 EPOLLOUT=4 EPOLLERR=8 EPOLLHUP=0x10 EPOLLRDHUP=0x2000 EPOLLONESHOT=0x40000000 \
    EPOLLET=0x80000000 \
    NSEC_PER_SEC=1000000000 NSEC_PER_MSEC=1000000 NSEC_PER_USEC=1000 USEC_PER_SEC=1000000 \
    USEC_PER_MSEC=1000 MSEC_PER_SEC=1000 PSEC_PER_NSEC=1000 BITS_PER_BYTE=8 BITS_PER_LONG=64 \
    MAX_PAGE_ORDER=10 SECTOR_MASK=7 PAGE_SECTORS=8 PAGE_SECTORS_SHIFT=3 \
    PIPE_BUF=4096 XATTR_NAME_MAX=255 ARG_MAX=131072 HOST_NAME_MAX=64 __NEW_UTS_LEN=64 \
    IOV_MAX=1024 UIO_MAXIOV=1024 BINPRM_BUF_SIZE=256 \
    ETH_P_TSTAMP=0x88f7 ETH_P_LLDP=0x88cc ETH_P_PPP_SES=0x8864 ETH_ZLEN=60 ETH_MIN_MTU=68 ETH_MAX_MTU=65535 \
    IP_MF=0x2000 IP_DF=0x4000 IP_OFFSET=0x1fff IPVERSION=4 IPDEFTTL=64 \
    SHUT_RD=0 SHUT_WR=1 SHUT_RDWR=2 RCV_SHUTDOWN=1 SEND_SHUTDOWN=2 SHUTDOWN_MASK=3 \
    TCPHDR_FIN=1 TCPHDR_SYN=2 TCPHDR_RST=4 TCPHDR_PSH=8 TCPHDR_ACK=0x10 TCPHDR_URG=0x20 TCPHDR_ECE=0x40 \
    TCPHDR_CWR=0x80 INET_ADDRSTRLEN=16 INET6_ADDRSTRLEN=48 \
    FUTEX_PRIVATE_FLAG=128 FUTEX_CLOCK_REALTIME=256 FUTEX_CMD_MASK=-385 \
    CLONE_VM=0x100 CLONE_FS=0x200 CLONE_FILES=0x400 CLONE_SIGHAND=0x800 CLONE_VFORK=0x4000 \
    CLONE_THREAD=0x10000 CLONE_NEWNS=0x20000 CLONE_NEWPID=0x20000000 CLONE_NEWNET=0x40000000 \
    WNOHANG=1 WUNTRACED=2 WEXITED=4 WCONTINUED=8 __WALL=0x40000000 \
    SEEK_SET=0 SEEK_CUR=1 SEEK_END=2 LOCK_SH=1 LOCK_EX=2 LOCK_NB=4 LOCK_UN=8 \
    F_DUPFD=0 F_GETFD=1 F_SETFD=2 F_GETFL=3 F_SETFL=4 F_GETLK=5 F_SETLK=6 F_SETLKW=7 FD_CLOEXEC=1 \
    DT_UNKNOWN=0 DT_FIFO=1 DT_CHR=2 DT_DIR=4 DT_BLK=6 DT_REG=8 DT_LNK=10 DT_SOCK=12 \
    AT_FDCWD=-100 USER_HZ=100 CLOCKS_PER_SEC=1000000 ";

/// The value of a constant, such as `EINVAL`, `O_CREAT` or `AF_INET`.
pub fn value(library: &Library, name: &str) -> Option<i64> {
    let own = library.files().iter().filter(|file| file.embedded);
    let family = name.strip_prefix("PF_").map(|family| format!("AF_{family}"));
    let mut texts = [MORE].into_iter().chain(own.map(|file| file.text.as_ref()));
    texts
        .find_map(|text| listed(text, name))
        .or_else(|| family.and_then(|name| value(library, &name)))
}

/// The number behind `NAME=` in a text.
fn listed(text: &str, name: &str) -> Option<i64> {
    let wanted = format!("{name}=");
    text.match_indices(&wanted).find_map(|(at, _)| {
        let begins = text[..at].ends_with([' ', '"']);
        let behind = &text[at + wanted.len()..];
        let number = behind.split([' ', '/']).next().filter(|_| begins)?;
        // A constant is followed by a space or its mask, never by a quotation mark or more of the script.
        parse(number)
    })
}

fn parse(number: &str) -> Option<i64> {
    match number.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok().map(|value| value as i64),
        None => number.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants() {
        let library = Library::embedded();
        for (name, expected) in [
            ("EINVAL", Some(22)),
            ("SIGKILL", Some(9)),
            ("O_RDONLY", Some(0)),
            ("O_WRONLY", Some(1)),
            ("O_CREAT", Some(0o100)),
            ("S_IFMT", Some(0o170_000)),
            ("S_IFDIR", Some(0o040_000)),
            ("AF_INET6", Some(10)),
            ("PF_INET6", Some(10)),
            ("PF_KTHREAD", Some(0x20_0000)),
            ("IPPROTO_TCP", Some(6)),
            ("AT_FDCWD", Some(-100)),
            ("TASK_UNINTERRUPTIBLE", Some(2)),
            ("LONG_MIN", Some(i64::MIN)),
            ("INVAL", None),
            ("E", None),
            ("", None),
        ] {
            assert_eq!(value(library, name), expected, "{name}");
        }
    }
}
