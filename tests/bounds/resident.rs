//! What of a process was resident, by what it holds, when that was most: looked at all the while by a thread of its own.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// MiB resident, by kind of mapping.
#[derive(Clone, Copy, Debug, Default)]
pub struct Resident {
    /// Pages of the program's file: code, constants, relocated tables.
    pub program: f64,
    /// The same of the C library and its like.
    pub libraries: f64,
    /// What the allocator got by moving the break.
    pub heap: f64,
    /// Anonymous mappings: large allocations, stacks.
    pub mapped: f64,
}

impl Resident {
    /// Of a process; nothing when it is gone.
    pub fn of(pid: u32) -> Resident {
        let program = std::fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
        let maps = std::fs::read_to_string(format!("/proc/{pid}/smaps")).unwrap_or_default();
        let (mut resident, mut name) = (Resident::default(), "");
        for line in maps.lines() {
            let mut words = line.split_whitespace();
            match words.next() {
                Some("Rss:") => {
                    let mib = words.next().and_then(|kib| kib.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0;
                    *match name {
                        "[heap]" => &mut resident.heap,
                        path if path == program.to_string_lossy() => &mut resident.program,
                        path if path.starts_with('/') => &mut resident.libraries,
                        _ => &mut resident.mapped,
                    } += mib;
                }
                Some(range) if !range.ends_with(':') => name = words.nth(4).unwrap_or(""),
                Some(_) | None => {}
            }
        }
        resident
    }
}

/// Looks until it is dropped.
pub struct Watch {
    most: Arc<Mutex<Resident>>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    pub fn start(pid: u32) -> Watch {
        let (most, over) = (Arc::<Mutex<Resident>>::default(), Arc::<AtomicBool>::default());
        let (noted, ended) = (most.clone(), over.clone());
        let look = move || {
            let mut highest = 0;
            while !ended.load(Ordering::Relaxed) {
                let pages = resident_pages(pid);
                if pages > highest {
                    // The account costs a millisecond: not for each page more.
                    highest = pages + 64;
                    *noted.lock().unwrap_or_else(PoisonError::into_inner) = Resident::of(pid);
                }
                std::thread::sleep(Duration::from_millis(10));
            }
        };
        Watch { most, over, thread: Some(std::thread::spawn(look)) }
    }
    /// The account at the highest moment so far.
    pub fn most(&self) -> Resident {
        *self.most.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        self.thread.take().map(JoinHandle::join);
    }
}

fn resident_pages(pid: u32) -> u64 {
    let statm = std::fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
    statm.split_whitespace().nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0)
}
