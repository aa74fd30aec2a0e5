//! System calls that this process never makes, and that whoever took it over would want: refused with EPERM.
//!
//! A list of what is refused, not of what is allowed: another C library, allocator or kernel may use calls that nobody
//! thought of, and an agent that dies of an update loses more than this protects. EPERM instead of a kill for the same
//! reason: whoever makes such a call by mistake hears a refusal, as from any kernel that lacks the right.

use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch};

/// Refused on every machine.
const REFUSED: &[libc::c_long] = &[
    // Other programs, other processes.
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    // File systems and namespaces: ways around what Landlock and mounts keep apart.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_setns,
    libc::SYS_unshare,
    // With CAP_DAC_READ_SEARCH, which we have, this opens any file of a file system by its number.
    libc::SYS_open_by_handle_at,
    libc::SYS_name_to_handle_at,
    libc::SYS_fanotify_init,
    libc::SYS_mknodat,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_acct,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    // The kernel's own: programs and modules in it, rings past this filter, its large and often broken corners.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_reboot,
    libc::SYS_syslog,
    libc::SYS_vhangup,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    // The machine's clock and name, our own user and rights.
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_personality,
    libc::SYS_capset,
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setreuid,
    libc::SYS_setregid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_setfsuid,
    libc::SYS_setfsgid,
    libc::SYS_setgroups,
];

#[cfg(target_arch = "x86_64")]
const REFUSED_HERE: &[libc::c_long] =
    &[libc::SYS_mknod, libc::SYS_iopl, libc::SYS_ioperm, libc::SYS_modify_ldt, libc::SYS_uselib];
#[cfg(not(target_arch = "x86_64"))]
const REFUSED_HERE: &[libc::c_long] = &[];

/// The same calls by the numbers of the x32 ABI, where a kernel has it: those with this bit, and 512 to 547, which are its
/// own (execve, ptrace, and what else has pointers in structures). Nobody here uses any of them.
#[cfg(target_arch = "x86_64")]
const X32: libc::c_long = 0x4000_0000;

fn numbers() -> Vec<i64> {
    let mut all: Vec<libc::c_long> = [REFUSED, REFUSED_HERE].concat();
    #[cfg(target_arch = "x86_64")]
    {
        let plain = all.clone();
        all.extend(plain.into_iter().chain(512..=547).map(|call| call | X32));
    }
    all
}

fn filter() -> Result<BpfProgram, String> {
    let rules = numbers().into_iter().map(|call| (call, Vec::new())).collect();
    let arch = TargetArch::try_from(std::env::consts::ARCH).map_err(|_| "not known for this processor".to_owned())?;
    let refused = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refused, arch);
    filter.and_then(BpfProgram::try_from).map_err(|error| error.to_string())
}

/// From now on, for all threads. The error says why not.
pub(super) fn refuse() -> Result<(), String> {
    seccompiler::apply_filter_all_threads(&filter()?).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filter_fits_into_the_kernel_and_names_no_call_twice() {
        let mut all = numbers();
        let before = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), before);
        // BPF_MAXINSNS.
        assert!(filter().unwrap().len() < 4096);
    }
}
