//! The power is cut: at every recorded write of real machines, and first on disks that were ruined
//! by hand, so that it is known that the judge can say no.

mod by_hand;
mod recorded;
