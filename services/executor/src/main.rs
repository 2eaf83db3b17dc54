//! The executor process.

fn main() -> std::process::ExitCode {
    vivarium_chassis::run(vivarium_chassis::Service::Executor, vivarium_executor::build)
}
