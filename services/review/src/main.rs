//! The review process.

fn main() -> std::process::ExitCode {
    vivarium_chassis::run(vivarium_chassis::Service::Review, vivarium_review::build)
}
