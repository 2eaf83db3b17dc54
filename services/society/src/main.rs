//! The society process.

fn main() -> std::process::ExitCode {
    vivarium_chassis::run(vivarium_chassis::Service::Society, vivarium_society::build)
}
