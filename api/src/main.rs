//! The binary: arguments in, exit code out.

use std::process::ExitCode;

use clap::Parser;

/// Frees memory back to the system and allocates faster than the default under many threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Deep SQL needs deep stacks: planning walks expressions recursively.
const STACK_BYTES: usize = 8 << 20;

fn main() -> ExitCode {
    let cli = parx_api::cli::Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_stack_size(STACK_BYTES)
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
