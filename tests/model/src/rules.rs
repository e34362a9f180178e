//! What the protocol demands, rule by rule, so that each can be taken out.

use std::fmt;

/// How a cache is kept true: larder's way, and what others do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Cache-aside by hand: commit, then delete.
    DeleteAfter,
    /// Commit, then store the new value.
    StoreAfter,
    /// Delete, commit, delete, and delete once more a while later.
    DoubleDelete,
    /// Commit, then store the new value unless a newer version is there; readers do the same.
    Version,
    /// Readers fill under leases; the writer deletes after COMMIT.
    LeaseDeleteAfter,
    /// Readers fill under leases; the writer deletes before COMMIT and after it.
    LeaseDeleteBoth,
    /// larder's: readers fill under leases, writers leave markers for the time of their doubt.
    Markers,
}

impl Protocol {
    pub(crate) fn has_leases(self) -> bool {
        matches!(self, Self::LeaseDeleteAfter | Self::LeaseDeleteBoth | Self::Markers)
    }
}

macro_rules! rules {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// One rule of the protocol.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Rule { $($(#[$doc])* $name,)* }

        impl Rule {
            /// Every rule, in the order in which they are told here.
            pub const ALL: &[Self] = &[$(Self::$name,)*];
        }
    };
}

rules! {
    /// Each attempt to begin has a nonce of its own.
    FreshNonce,
    /// A marker joins those of other writers, and does not take their place.
    MarkersJoin,
    /// A writer that met another one in the cell empties it, and does not store its value.
    DirtyIsEmptied,
    /// A writer stores its value only in the place of a marker of the server's present life.
    StoreInOwnLife,
    /// A writer that does not find its marker any more empties the cell.
    LostIsEmptied,
    /// A marker of which nobody knows whether it was set is left to expire.
    UnknownBeginIsLeft,
    /// After a COMMIT of which nobody knows the outcome the marker is left to expire.
    UnknownCommitIsLeft,
    /// A write that could not be marked is rolled back, unless its cells stand in the outbox.
    FailedBeginRollsBack,
    /// A settlement makes the marker of another write dirty.
    SettlePoisons,
    /// The cell of a list is emptied by a writer, and filled by readers only.
    ListsAreEmptied,
    /// A reader fills only under a lease that it was granted.
    FillOnlyUnderLease,
    /// The query is sent after the lease was granted, and sees what is committed by then.
    QueryAfterLease,
    /// The query that fills goes to the primary.
    QueryPrimary,
    /// Reads in a transaction go past the cells.
    BypassInTransaction,
    /// Values and leases of another life of the server count as nothing.
    Fence,
    /// No leases on a server that may have forgotten markers of writes in doubt.
    Quarantine,
    /// A row that leaves a unique value marks that value's cell.
    MarkOldKey,
    /// A row that comes to a unique value marks that value's cell.
    MarkNewKey,
    /// The cell of a deferrable unique value is emptied by a writer.
    DeferrableIsEmptied,
    /// The outbox row is written by the very transaction that could not be marked.
    RowInTransaction,
    /// The outbox row is deleted after its settlement was acknowledged.
    SettleBeforeDelete,
    /// The process notes that it could not mark a cell before it sends COMMIT.
    NoteBeforeCommit,
    /// The note stays until a settlement was acknowledged.
    NoteUntilSettled,
    /// Each write has a note of its own, and only its own settlement takes it back.
    NotePerWrite,
    /// The process does not serve a cell of which it has a note.
    BypassWhileNoted,
    /// After a COMMIT of which nobody knows the outcome the note is taken back only by a settlement sent after the hold.
    NoteOutlivesDoubt,
    /// The scan of a table begins when the write that asked for it is committed.
    ScanAfterCommit,
    /// The scan settles also what it finds marked.
    ScanPoisons,
    /// A value is refreshed only in the place of the very value that the reader has seen.
    RefillComparesStamp,
    /// The query that refreshes is sent after that value was seen.
    RefreshQueriesLast,
    /// A value gets more time to live only if the database has the same.
    ExtendComparesBytes,
    /// The verifier looks at the cell once more after its query.
    VerifyReadsTwice,
    /// The verifier compares stamps, not bytes, to see that a cell is still the same.
    VerifyComparesStamps,
    /// A near entry is inserted only if nothing has touched its slot since before the store was asked.
    CompareCounters,
    /// An insertion counts as such a touch.
    InsertionsCount,
    /// A read that goes past the near cache, or may not insert what it returns, ends the entries of its slot.
    PassingEndsEntries,
    /// Only what the cell holds is inserted.
    InsertOnlyCached,
    /// A write is announced to all near caches before its COMMIT.
    AnnounceBeforeCommit,
    /// A write that does not find its marker any more is announced once more.
    FinishTellsOfLoss,
    /// A write ends the entries of its own process.
    OwnEnds,
    /// It does so after its announcement was answered.
    OwnEndsAfterReplies,
    /// And again before it returns.
    OwnEndsAgain,
    /// All entries end when a listener has subscribed again.
    EndAtSubscription,
    /// A stamped entry is put into the map before the next one may be inserted in its slot.
    InsertOneByOne,
    /// Who hands out a value early looks for an older entry when nobody is about to put one into the slot, and not before it asks.
    LookInTurn,
    /// The stamp is the counter as it was noted before the store was asked.
    StampIsNoted,
    /// Who serves an entry compares its stamp after all else.
    CountLast,
    /// Who serves an entry looks at the proof, or at the number reached, before it looks the entry up.
    CheckFirst,
    /// A listener ends entries before it acknowledges, or before it counts the announcement as handled.
    EndBeforeAnswer,
    /// The announcement follows the marker.
    MarkBeforeAnnounce,
    /// An announcement takes its number and is sent in one step.
    AnnounceAtOnce,
    /// A listener that has subscribed asks for the number on the same connection.
    NumberOnSameConnection,
    /// A number that was lost begins anew under another identity.
    FreshNumber,
    /// A number of another life of the server counts as lost.
    NumberOfOneLife,
    /// A strict write waits before COMMIT.
    WaitBeforeCommit,
    /// The membership is renewed with the proof.
    MembershipRenewed,
    /// A process is a member before it inserts anything.
    MemberBeforeInsert,
    /// Nobody trusts a registry that is younger than a proof may be.
    WaitWhileYoung,
    /// The members are read after the announcement.
    MembersAfterAnnounce,
    /// The members are read after the marker was set.
    MembersAfterMark,
    /// A proof counts from when its PING was sent.
    ProofFromSending,
    /// A writer waits from when its announcement was answered.
    WaitFromReply,
    /// It is known who has acknowledged, and not only how many.
    AcknowledgementsAreNamed,
    /// Each process has a name of its own as a member.
    MembersAreSessions,
    /// Where the membership is renewed on another connection, a member that had lapsed counts no PING from before.
    LapseIsNoticed,
    /// A query that is to be cached is sent after the stamps of all that it depends on are known.
    StampsBeforeQuery,
    /// A stub that is put before the query is of the life of the server that whoever asked for it was connected to.
    StubOfAskedLife,
    /// An entry is served only while all stamps are those that it was put with.
    CompareStamps,
    /// The entry is read before the stamps that are compared with its own.
    EntryBeforeStamps,
    /// An entry is served only to who says that the query depends on the same cells.
    CompareDependencies,
    /// Each lease has a token of its own.
    FreshToken,
    /// Who takes the result of a load that goes on compares the stamps, and the leases, as with an entry.
    JoinComparesStamps,
    /// Every write of a table marks the table's own cell.
    MarkTable,
    /// Every settlement of a table's cells settles that one, too.
    SettleTable,
    /// Rows on the way from what is written to the root that shows it are locked, so that none is moved meanwhile.
    LockPath,
    /// They stay locked until the transaction ends.
    HoldPath,
    /// What such a row says is what the statement reads that locks it.
    PathReadByLock,
    /// The way begins at the row as the write itself has locked it.
    PathFromLockedRow,
    /// A row that a view's filter leaves out after a write marks its root all the same.
    MarkHidden,
    /// A tree is loaded from the database, and no part of it from another cell.
    TreeFromDatabase,
    /// Where a view shows what is above its root, whoever ties a row to that locks it.
    LockTies,
    /// The version of a view is marked before COMMIT, as a cell is.
    MarkVersion,
    /// Of a write elsewhere the way to the roots is followed when it is settled.
    PathWhenSettled,
}

/// Which rules are followed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Rules(u128);

impl Rules {
    /// The protocol as it is.
    pub const ALL: Self = Self(u128::MAX);

    /// The same without one rule.
    #[must_use]
    pub const fn without(self, rule: Rule) -> Self {
        Self(self.0 & !(1 << rule as u8))
    }

    pub(crate) const fn has(self, rule: Rule) -> bool {
        self.0 >> rule as u8 & 1 == 1
    }
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let removed = Rule::ALL.iter().filter(|rule| !self.has(**rule));
        f.write_str("all but ")?;
        f.debug_list().entries(removed).finish()
    }
}
