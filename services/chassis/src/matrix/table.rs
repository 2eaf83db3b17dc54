//! The table itself (`security.md`, section 2). A person comes in through the gateway or with an
//! operator's certificate; what neither a person nor a row's service may do, nobody may.

use super::{Callers, Group, Home, LeaseNeed, MethodClass, Row};
use crate::identity::Service;

/// Who follows the ledger of `callee`.
pub(super) const fn watchers(callee: Service) -> Callers {
    let services = match callee {
        Service::Queue => REVIEW.and(SOCIETY).and(EXECUTOR),
        Service::Executor => REVIEW.and(SOCIETY).and(QUEUE),
        Service::Society => QUEUE,
        Service::Review => QUEUE.and(SOCIETY).and(EXECUTOR),
        Service::Gateway => Callers::NONE,
    };
    services.and(PERSON)
}

/// Who reads the texts that the events of `callee` name: whoever follows them, and whoever assembles
/// a briefing or an excerpt from them.
pub(super) const fn readers(callee: Service) -> Callers {
    let fetchers = match callee {
        Service::Society => REVIEW.and(EXECUTOR),
        Service::Review => SOCIETY.and(EXECUTOR),
        Service::Queue | Service::Executor | Service::Gateway => Callers::NONE,
    };
    fetchers.and(watchers(callee))
}

const QUEUE: Callers = Callers::QUEUE;
const EXECUTOR: Callers = Callers::EXECUTOR;
const SOCIETY: Callers = Callers::SOCIETY;
const REVIEW: Callers = Callers::REVIEW;
const SUPERVISOR: Callers = Callers::SUPERVISOR;
const PERSON: Callers = Callers::PERSON;

/// A ledger's rows, for those who follow it.
const fn watch(name: &'static str) -> Row {
    row(name, MethodClass::Watch, PERSON)
}

/// A person's look.
const fn read(name: &'static str) -> Row {
    row(name, MethodClass::Read, PERSON)
}

/// A person's change.
const fn operate(name: &'static str) -> Row {
    row(name, MethodClass::Operate, PERSON)
}

/// A body that an event names, for these services. A person reads it too.
const fn fetch(name: &'static str, services: Callers) -> Row {
    row(name, MethodClass::Fetch, services.and(PERSON))
}

/// What keeps the machine running, for these alone.
const fn admin(name: &'static str, processes: Callers) -> Row {
    row(name, MethodClass::Admin, processes)
}

/// What a cycle does elsewhere, under its lease.
const fn act(name: &'static str) -> Row {
    Row { name, class: MethodClass::Act, callers: EXECUTOR, lease: LeaseNeed::Needed }
}

const fn row(name: &'static str, class: MethodClass, callers: Callers) -> Row {
    Row { name, class, callers, lease: LeaseNeed::None }
}

pub(super) const TABLE: &[Group] = &[
    Group {
        service: "vivarium.ledger.v1.LedgerService",
        home: Home::EachLedger,
        methods: &[
            watch("Watch"),
            watch("GetHead"),
            fetch("ReadText", Callers::NONE),
            fetch("ReadTexts", Callers::NONE),
            read("ReadRows"),
            read("Verify"),
            read("ListPeerCheckpoints"),
        ],
    },
    Group {
        service: "vivarium.queue.v1.TaskService",
        home: Home::At(Service::Queue),
        methods: &[
            operate("AddTasks"),
            operate("RunCycle"),
            read("GetTask"),
            read("ListTasks"),
            read("WatchTasks"),
            operate("CancelTask"),
            operate("PauseTask"),
            operate("ResumeTask"),
            operate("RequeueTask"),
            operate("EditTask"),
            operate("RedriveTasks"),
            operate("ProposeTasks"),
            operate("AdmitTask"),
            operate("RefuseTask"),
            operate("DecideProgram"),
            read("ExplainTasks"),
        ],
    },
    Group {
        service: "vivarium.queue.v1.RecurrenceService",
        home: Home::At(Service::Queue),
        methods: &[
            operate("CreateRecurrence"),
            read("ListRecurrences"),
            operate("PauseRecurrence"),
            operate("ResumeRecurrence"),
            operate("EndRecurrence"),
        ],
    },
    Group {
        service: "vivarium.queue.v1.RunnerService",
        home: Home::At(Service::Queue),
        methods: &[
            admin("Run", EXECUTOR),
            admin("RecordEffect", EXECUTOR),
            admin("GetEffect", EXECUTOR),
            admin("ProposeTask", EXECUTOR),
        ],
    },
    Group {
        service: "vivarium.queue.v1.WorldService",
        home: Home::At(Service::Queue),
        methods: &[
            read("GetControls"),
            operate("SetHalt"),
            operate("Resume"),
            read("GetHaltReceipt"),
            operate("SetPace"),
            operate("Step"),
            operate("SetMode"),
            operate("SetResidentLevel"),
            read("ListResidentLevels"),
            operate("SetCalendar"),
            operate("SetLimits"),
            // The operator class for one method: the report of a child's exit.
            row("ReportExit", MethodClass::Operate, SUPERVISOR),
        ],
    },
    Group {
        service: "vivarium.executor.v1.CycleService",
        home: Home::At(Service::Executor),
        methods: &[read("GetCycle"), read("ListCycles"), read("WatchOutput"), read("ReplayCycles")],
    },
    Group {
        service: "vivarium.executor.v1.ProviderService",
        home: Home::At(Service::Executor),
        methods: &[
            read("ListProviders"),
            operate("SetKey"),
            operate("ClearKey"),
            read("GetKeyStatus"),
            operate("ConsentProvider"),
        ],
    },
    Group {
        service: "vivarium.executor.v1.BudgetService",
        home: Home::At(Service::Executor),
        methods: &[
            read("GetBudgets"),
            operate("SetBudgetLimit"),
            read("ListSpend"),
            read("ListReservations"),
        ],
    },
    Group {
        service: "vivarium.executor.v1.CommandService",
        home: Home::At(Service::Executor),
        methods: &[read("GetSandbox"), read("ListPrograms"), read("TryCommand")],
    },
    Group {
        service: "vivarium.executor.v1.SafetyService",
        home: Home::At(Service::Executor),
        methods: &[read("ListRules"), read("ListRefusals")],
    },
    Group {
        service: "vivarium.identity.v1.ResidentService",
        home: Home::At(Service::Society),
        methods: &[read("ListResidents"), read("GetResident"), operate("SetSpecializations")],
    },
    Group {
        service: "vivarium.identity.v1.WalletService",
        home: Home::At(Service::Society),
        methods: &[read("GetWallet"), read("ListEntries"), read("GetSupply")],
    },
    Group {
        service: "vivarium.identity.v1.MemoryService",
        home: Home::At(Service::Society),
        methods: &[read("ListMemories"), operate("ForgetMemory")],
    },
    Group {
        service: "vivarium.social.v1.RoomService",
        home: Home::At(Service::Society),
        methods: &[
            read("ListRooms"),
            read("ListMessages"),
            operate("PostMessage"),
            operate("HideMessage"),
        ],
    },
    Group {
        service: "vivarium.social.v1.MailService",
        home: Home::At(Service::Society),
        methods: &[
            read("ListThreads"),
            read("ListLetters"),
            operate("SendLetter"),
            operate("OpenLetter"),
            operate("ReplyLetter"),
        ],
    },
    Group {
        service: "vivarium.social.v1.LibraryService",
        home: Home::At(Service::Society),
        methods: &[read("ListDocuments"), read("GetDocument"), read("SearchDocuments")],
    },
    Group {
        service: "vivarium.social.v1.JournalService",
        home: Home::At(Service::Society),
        methods: &[read("ListJournals"), operate("EraseJournal")],
    },
    Group {
        service: "vivarium.social.v1.BountyService",
        home: Home::At(Service::Society),
        methods: &[read("ListBounties"), read("GetBounty"), operate("CancelBounty")],
    },
    Group {
        service: "vivarium.social.v1.HistoryService",
        home: Home::At(Service::Society),
        methods: &[read("ListHistory")],
    },
    Group {
        service: "vivarium.social.v1.ImportService",
        home: Home::At(Service::Society),
        methods: &[operate("ImportItems")],
    },
    Group {
        service: "vivarium.social.v1.BriefingService",
        home: Home::At(Service::Society),
        methods: &[fetch("GetBriefing", EXECUTOR)],
    },
    Group {
        service: "vivarium.social.v1.ActService",
        home: Home::At(Service::Society),
        methods: &[act("Act")],
    },
    Group {
        service: "vivarium.review.v1.DraftService",
        home: Home::At(Service::Review),
        methods: &[act("StageDocument"), fetch("ListDrafts", EXECUTOR)],
    },
    Group {
        service: "vivarium.review.v1.ReviewService",
        home: Home::At(Service::Review),
        methods: &[
            read("ListSubmissions"),
            // A critic reads what it judges.
            fetch("GetSubmission", EXECUTOR),
            operate("ApproveSubmission"),
            operate("RejectSubmission"),
            fetch("FetchDocument", SOCIETY.and(EXECUTOR)),
        ],
    },
    Group {
        service: "vivarium.gateway.v1.PanelService",
        home: Home::At(Service::Gateway),
        methods: &[read("Follow"), read("GetSession"), operate("SignOut"), read("ListServices")],
    },
];
