//! The binary: arguments in, exit code out.

use std::process::ExitCode;

use clap::Parser;

/// Frees memory back to the system and allocates faster than the default under many threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Deep SQL needs deep stacks: planning walks expressions recursively.
const STACK_BYTES: usize = 8 << 20;

/// Threads that wait for the disk or reckon long, of the doors and the compactor together; each
/// keeps some memory. Short work all of it: more waits its turn.
const BLOCKING_THREADS_MAX: usize = 16;

fn main() -> ExitCode {
    small_pages();
    let cli = parx_api::cli::Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_stack_size(STACK_BYTES)
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .build();
    match runtime {
        Ok(runtime) => {
            let code = runtime.block_on(parx_api::command::run(cli));
            runtime.shutdown_timeout(std::time::Duration::from_secs(1));
            code
        }
        Err(error) => {
            eprintln!("parx: the runtime could not be started: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Keeps memory in small pages. The allocator asks for huge ones, of which each counts as used as a
/// whole for whatever little of it is: a third more memory, and no quicker.
fn small_pages() {
    #[cfg(target_os = "linux")]
    // Where the system does not know them there are none.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}
