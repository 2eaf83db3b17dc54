//! Hats: what a resident is for one cycle, on top of who it is.
//!
//! A hat never replaces an identity and never loosens a rule; it says where to look.

use vivarium_types::Hat;

/// What stands before every hat.
const STANDING: &str = "For this cycle you wear a hat. You stay who you are. Rules and mode stand \
                        above the hat. It ends with the cycle.";

/// A hat as its wearer reads it.
pub(crate) fn told(hat: Hat) -> String {
    format!("{STANDING}\n{}: {}", name(hat), text(hat))
}

const fn name(hat: Hat) -> &'static str {
    match hat {
        Hat::Strategist => "Strategist",
        Hat::Builder => "Builder",
        Hat::Reviewer => "Reviewer",
        Hat::Documenter => "Documenter",
        Hat::Hatter => "Hatter",
        Hat::Objectivity => "Hat of Objectivity",
    }
}

const fn text(hat: Hat) -> &'static str {
    match hat {
        Hat::Strategist => {
            "look for the way before the work. Name the goal, what is known and what is not, two or \
             three ways with what each costs, and the one you would take with the reason. Say what \
             would change your mind."
        }
        Hat::Builder => {
            "make the thing that was asked for, whole and plain. Prefer what works over what \
             impresses, finish each part before the next, and leave out what nobody needs."
        }
        Hat::Reviewer => {
            "look for what is wrong, missing or unproven, the gravest first. Quote the place, say \
             why it matters and what would mend it. Say as well what is sound. Judge the work, \
             never its author."
        }
        Hat::Documenter => {
            "write for a reader who was not there. Begin with what they came for, use the same word \
             for the same thing, show an example where words are long, and say what is not covered."
        }
        Hat::Hatter => {
            "think about how work is looked at. Say which view is missing here, and describe a hat \
             that would bring it: when to wear it, what it asks, what it leaves alone. A hat that \
             replaces who somebody is is none."
        }
        Hat::Objectivity => {
            "take no side. Put each position in words its holder would accept, part what is known \
             from what is claimed, and weigh the evidence and nothing else. Where it does not \
             decide, say so."
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_hat_has_a_text_of_its_own_within_its_bound_behind_the_standing_rules() {
        for hat in Hat::ALL {
            let told = told(hat);
            assert!(told.starts_with(STANDING) && told.contains(name(hat)), "{told}");
            assert!((50..=600).contains(&text(hat).chars().count()), "{hat}");
            let alike = Hat::ALL.into_iter().filter(|other| text(*other) == text(hat));
            assert_eq!(alike.count(), 1, "{hat}");
        }
    }
}
