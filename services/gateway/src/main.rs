//! The gateway process.

fn main() -> std::process::ExitCode {
    vivarium_chassis::run(vivarium_chassis::Service::Gateway, vivarium_gateway::build)
}
