//! The queue process.

fn main() -> std::process::ExitCode {
    vivarium_chassis::run(vivarium_chassis::Service::Queue, vivarium_queue::build)
}
