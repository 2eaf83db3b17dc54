//! Every method of every service as every identity, against a table written by hand. It is not
//! derived from the table under test: whoever adds a method says here, too, who may call it.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::time::Duration;

use vivarium_chassis::identity::{Name, Service};
use vivarium_chassis::memory::World;
use vivarium_chassis::{Calls, Lease, Problem, Services, matrix};
use vivarium_types::ids::{CycleId, Id as _, LeaseId, ResidentId};
use vivarium_types::{Actor, Clock as _, Reason};

/// Who passes: `q`ueue, `e`xecutor, `s`ociety, `r`eview on their own account, `L` the executor for a
/// resident under its lease, `g`ateway on its own account, `G`ateway for a person, `o`perator,
/// `S`upervisor.
const EXPECTED: &str = "
queue    ledger.v1.LedgerService/Watch                   esrLgGo
queue    ledger.v1.LedgerService/GetHead                 esrLgGo
queue    ledger.v1.LedgerService/ReadText                esrLgGo
queue    ledger.v1.LedgerService/ReadTexts               esrLgGo
queue    ledger.v1.LedgerService/ReadRows                gGo
queue    ledger.v1.LedgerService/Verify                  gGo
queue    ledger.v1.LedgerService/ListPeerCheckpoints     gGo
executor ledger.v1.LedgerService/Watch                   qsrgGo
executor ledger.v1.LedgerService/GetHead                 qsrgGo
executor ledger.v1.LedgerService/ReadText                qsrgGo
executor ledger.v1.LedgerService/ReadTexts               qsrgGo
executor ledger.v1.LedgerService/ReadRows                gGo
executor ledger.v1.LedgerService/Verify                  gGo
executor ledger.v1.LedgerService/ListPeerCheckpoints     gGo
society  ledger.v1.LedgerService/Watch                   qgGo
society  ledger.v1.LedgerService/GetHead                 qgGo
society  ledger.v1.LedgerService/ReadText                qerLgGo
society  ledger.v1.LedgerService/ReadTexts               qerLgGo
society  ledger.v1.LedgerService/ReadRows                gGo
society  ledger.v1.LedgerService/Verify                  gGo
society  ledger.v1.LedgerService/ListPeerCheckpoints     gGo
review   ledger.v1.LedgerService/Watch                   qesLgGo
review   ledger.v1.LedgerService/GetHead                 qesLgGo
review   ledger.v1.LedgerService/ReadText                qesLgGo
review   ledger.v1.LedgerService/ReadTexts               qesLgGo
review   ledger.v1.LedgerService/ReadRows                gGo
review   ledger.v1.LedgerService/Verify                  gGo
review   ledger.v1.LedgerService/ListPeerCheckpoints     gGo
queue    queue.v1.TaskService/AddTasks                   Go
queue    queue.v1.TaskService/RunCycle                   Go
queue    queue.v1.TaskService/GetTask                    gGo
queue    queue.v1.TaskService/ListTasks                  gGo
queue    queue.v1.TaskService/WatchTasks                 gGo
queue    queue.v1.TaskService/CancelTask                 Go
queue    queue.v1.TaskService/PauseTask                  Go
queue    queue.v1.TaskService/ResumeTask                 Go
queue    queue.v1.TaskService/RequeueTask                Go
queue    queue.v1.TaskService/EditTask                   Go
queue    queue.v1.TaskService/RedriveTasks               Go
queue    queue.v1.TaskService/ProposeTasks               Go
queue    queue.v1.TaskService/AdmitTask                  Go
queue    queue.v1.TaskService/RefuseTask                 Go
queue    queue.v1.TaskService/DecideProgram              Go
queue    queue.v1.TaskService/ExplainTasks               gGo
queue    queue.v1.RecurrenceService/CreateRecurrence     Go
queue    queue.v1.RecurrenceService/ListRecurrences      gGo
queue    queue.v1.RecurrenceService/PauseRecurrence      Go
queue    queue.v1.RecurrenceService/ResumeRecurrence     Go
queue    queue.v1.RecurrenceService/EndRecurrence        Go
queue    queue.v1.RunnerService/Run                      eL
queue    queue.v1.RunnerService/RecordEffect             eL
queue    queue.v1.RunnerService/GetEffect                eL
queue    queue.v1.RunnerService/ProposeTask              eL
queue    queue.v1.WorldService/GetControls               gGo
queue    queue.v1.WorldService/SetHalt                   Go
queue    queue.v1.WorldService/Resume                    Go
queue    queue.v1.WorldService/GetHaltReceipt            gGo
queue    queue.v1.WorldService/SetPace                   Go
queue    queue.v1.WorldService/Step                      Go
queue    queue.v1.WorldService/SetMode                   Go
queue    queue.v1.WorldService/SetResidentLevel          Go
queue    queue.v1.WorldService/ListResidentLevels        gGo
queue    queue.v1.WorldService/SetCalendar               Go
queue    queue.v1.WorldService/SetLimits                 Go
queue    queue.v1.WorldService/ReportExit                S
executor executor.v1.CycleService/GetCycle               gGo
executor executor.v1.CycleService/ListCycles             gGo
executor executor.v1.CycleService/WatchOutput            gGo
executor executor.v1.CycleService/ReplayCycles           gGo
executor executor.v1.ProviderService/ListProviders       gGo
executor executor.v1.ProviderService/SetKey              Go
executor executor.v1.ProviderService/ClearKey            Go
executor executor.v1.ProviderService/GetKeyStatus        gGo
executor executor.v1.ProviderService/ConsentProvider     Go
executor executor.v1.BudgetService/GetBudgets            gGo
executor executor.v1.BudgetService/SetBudgetLimit        Go
executor executor.v1.BudgetService/ListSpend             gGo
executor executor.v1.BudgetService/ListReservations      gGo
executor executor.v1.CommandService/GetSandbox           gGo
executor executor.v1.CommandService/ListPrograms         gGo
executor executor.v1.CommandService/TryCommand           gGo
executor executor.v1.SafetyService/ListRules             gGo
executor executor.v1.SafetyService/ListRefusals          gGo
society  identity.v1.ResidentService/ListResidents       gGo
society  identity.v1.ResidentService/GetResident         gGo
society  identity.v1.ResidentService/SetSpecializations  Go
society  identity.v1.WalletService/GetWallet             gGo
society  identity.v1.WalletService/ListEntries           gGo
society  identity.v1.WalletService/GetSupply             gGo
society  identity.v1.MemoryService/ListMemories          gGo
society  identity.v1.MemoryService/ForgetMemory          Go
society  social.v1.RoomService/ListRooms                 gGo
society  social.v1.RoomService/ListMessages              gGo
society  social.v1.RoomService/PostMessage               Go
society  social.v1.RoomService/HideMessage               Go
society  social.v1.MailService/ListThreads               gGo
society  social.v1.MailService/ListLetters               gGo
society  social.v1.MailService/SendLetter                Go
society  social.v1.MailService/OpenLetter                Go
society  social.v1.MailService/ReplyLetter               Go
society  social.v1.LibraryService/ListDocuments          gGo
society  social.v1.LibraryService/GetDocument            gGo
society  social.v1.LibraryService/SearchDocuments        gGo
society  social.v1.JournalService/ListJournals           gGo
society  social.v1.JournalService/EraseJournal           Go
society  social.v1.BountyService/ListBounties            gGo
society  social.v1.BountyService/GetBounty               gGo
society  social.v1.BountyService/CancelBounty            Go
society  social.v1.HistoryService/ListHistory            gGo
society  social.v1.ImportService/ImportItems             Go
society  social.v1.BriefingService/GetBriefing           eLgGo
society  social.v1.ActService/Act                        L
review   review.v1.DraftService/StageDocument            L
review   review.v1.DraftService/ListDrafts               eLgGo
review   review.v1.ReviewService/ListSubmissions         gGo
review   review.v1.ReviewService/GetSubmission           eLgGo
review   review.v1.ReviewService/ApproveSubmission       Go
review   review.v1.ReviewService/RejectSubmission        Go
review   review.v1.ReviewService/FetchDocument           esLgGo
gateway  gateway.v1.PanelService/Follow                  gGo
gateway  gateway.v1.PanelService/GetSession              gGo
gateway  gateway.v1.PanelService/SignOut                 Go
gateway  gateway.v1.PanelService/ListServices            gGo
";

const EVERYONE: &str = "qesrLgGoS";

/// Each line as callee, path and who passes.
fn expected() -> Vec<(Service, String, BTreeSet<char>)> {
    let lines = EXPECTED.lines().filter(|line| !line.is_empty());
    lines
        .map(|line| {
            let words: Vec<_> = line.split_whitespace().collect();
            let callee = words[0].parse().expect("a service");
            (callee, format!("/vivarium.{}", words[1]), words[2].chars().collect())
        })
        .collect()
}

/// Calls of the one that a letter stands for.
fn calls(world: &World, letter: char, callee: Service) -> Calls {
    let own = |service| world.deps(service).peers.to(callee).calls();
    let person = Actor::Operator("ada".into());
    match letter {
        'q' => own(Service::Queue),
        'e' => own(Service::Executor),
        's' => own(Service::Society),
        'r' => own(Service::Review),
        'g' => own(Service::Gateway),
        'G' => world.calls_as(&Name::Service(Service::Gateway), &person, callee),
        'o' => world.calls(&Name::operator("ada"), callee),
        'S' => world.calls(&Name::Supervisor, callee),
        'L' => {
            let resident = ResidentId::from_number(1);
            let lease = Lease {
                lease: LeaseId::from_number(1),
                task: None,
                attempt: None,
                resident: Some(resident),
                cycle: CycleId::from_number(1),
                mode: "docs_only".into(),
                control_epoch: 1,
                fencing_token: 1,
                expires: world.clock().now() + Duration::from_secs(30),
                actions: Vec::new(),
            };
            let capability = world.deps(Service::Queue).signer.lease(&lease).expect("it signs");
            let executor = Name::Service(Service::Executor);
            world.calls_as(&executor, &Actor::Resident(resident), callee).under(&capability)
        }
        other => unreachable!("{other} stands for nobody"),
    }
}

/// Whether the guard lets a call through. Nothing is served behind it: who passes finds no method.
async fn passes(calls: Calls, path: &str) -> bool {
    let problem = Problem::from(&crate::stand::raw(calls, path, "").await);
    match problem.reason {
        Some(Reason::RpcUnknownMethod) => true,
        Some(Reason::AuthNotPermitted) => false,
        other => unreachable!("{path}: {other:?}"),
    }
}

#[tokio::test]
async fn exactly_the_expected_cells_pass() {
    let world = World::new();
    let mut running = Vec::new();
    for service in Service::ALL {
        let build = async |_| Ok::<_, Infallible>(Services::new());
        running.push(world.start(service, build).await.expect("it builds"));
    }
    let mut wrong = Vec::new();
    for callee in Service::ALL {
        let rows: Vec<_> =
            expected().into_iter().filter(|(service, ..)| *service == callee).collect();
        for letter in EVERYONE.chars() {
            let caller = calls(&world, letter, callee);
            for (_, path, who) in &rows {
                if passes(caller.clone(), path).await != who.contains(&letter) {
                    wrong.push(format!("{callee} {path} {letter}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_method_of_the_contract_is_expected() {
    let written: BTreeSet<_> =
        expected().into_iter().map(|(callee, path, _)| (callee, path)).collect();
    let of_contract = matrix::methods().into_iter();
    let contract: BTreeSet<_> = of_contract
        .flat_map(|(path, homes)| homes.into_iter().map(move |home| (home, path.clone())))
        .collect();
    assert_eq!(written, contract);
}

#[tokio::test]
async fn a_lease_act_without_a_lease_is_refused_to_the_executor_itself() {
    let world = World::new();
    let build = async |_| Ok::<_, Infallible>(Services::new());
    let _society = world.start(Service::Society, build).await.expect("it builds");
    assert!(
        !passes(calls(&world, 'e', Service::Society), "/vivarium.social.v1.ActService/Act").await
    );
}
