/* The handover of a guest between two hosts (docs/migration-protocol.md), as migrate-daemon/core has it from precopy on: journals, one
 * connection that can be cut, daemons that can be killed between any two steps and start again from their journal.
 *
 * Checked: at no instant do two copies run; what must not be said is never said; and when everything has settled, which it does however often
 * FAULTS things broke, exactly one host has the guest, it runs there, and no journal has an entry.
 *
 * With -DPOWER a host may lose its power, and with it its guest: then only "never two" is claimed.
 * With -DBROKEN=n a rule is left out; each must be found out:
 *   1  the source lets the guest go on when it loses the destination after commit
 *   2  the source sends commit before its journal has it
 *   3  the destination runs the guest before its journal says committed
 *   4  the destination says dropped before its journal has it
 *   5  the source releases a destination before its own entry is gone
 *   6  a destination that forgot says dropped instead of nothing, and it forgets what it runs when that runs
 *   7  a destination never asks a source that does not come: then it waits for ever
 *   8  a destination that gives up before it has everything does not remember that it did
 *   9  a destination that has everything runs it without commit
 */
#ifndef FAULTS
#define FAULTS 2
#endif
#ifndef BROKEN
#define BROKEN 0
#endif

mtype = { verified, commit, committed, resumed, dropped, abort, released,     /* messages */
          st_verified, st_committed, st_resumed, st_dropped, st_nothing, fin, /* statuses; the end of a connection */
          nothing, moving, building };                                        /* journals, with some of the above */

/* Steps of the source: Outgoing::Step. */
mtype = { s_moving, s_last, s_writing_commit, s_sending_commit, s_committing, s_destroying, s_returning, s_noting, s_tell, s_telling,
          s_closing, s_releasing };
/* Steps of the destination: Incoming::Step. */
mtype = { d_receiving, d_verified, d_writing_committed, d_running, d_ran, d_resumed, d_lost, d_writing_dropped, d_destroying, d_dropped,
          d_closing };
mtype = { ended, down };

chan to_source = [6] of { mtype };
chan to_destination = [6] of { mtype };
bool up = true;                                     /* the connection */
bool source_met = false, destination_met = false;   /* it is new, and nothing was said on it */
bool source_left = false, destination_left = false; /* one end has hung up; what it sent still arrives */

mtype s = s_moving, source_journal = moving;
bool source_runs = true, source_has = true, told_dropped = false;

mtype d = d_receiving, destination_journal = building, to_write = 0;
bool destination_runs = false, destination_has = false, owes_dropped = false, sent_all = false, may_take = false;

byte faults = FAULTS;
bool power_was_lost = false;

inline never_two() { assert(!(source_runs && destination_runs)) }
inline tell_destination(m) { if :: up && !source_left -> to_destination!m :: else fi }
inline tell_source(m) { if :: up && !destination_left -> to_source!m :: else fi }
inline disconnect() {
    up = false; source_met = false; destination_met = false; source_left = false; destination_left = false; sent_all = false;
    do :: to_source?_ :: empty(to_source) -> break od;
    do :: to_destination?_ :: empty(to_destination) -> break od
}

active proctype Source() {
    mtype m;
end: /* it may rest here; the world may not */
    do
    /* Rounds end; the guest is suspended; what is left is sent. When it has arrived is not known, nor waited for. */
    :: atomic { s == s_moving && up -> source_runs = false; s = s_last }
    :: atomic { s == s_last && up -> sent_all = true; s = s_writing_commit }
    /* Before commit anybody may give up, and must without a connection. */
    :: atomic { (s == s_moving || s == s_last) -> tell_destination(abort); s = s_returning }

    :: atomic { s == s_writing_commit ->
#if BROKEN == 2
                tell_destination(commit);
#endif
                s = s_sending_commit; }
    :: atomic { s == s_sending_commit -> source_journal = commit;
                if :: told_dropped -> s = s_returning :: else -> tell_destination(commit); s = s_committing fi }
#if BROKEN == 1
    :: atomic { s == s_committing && !up -> s = s_returning }
#endif
    :: atomic { s == s_destroying -> source_has = false; s = s_closing }
    :: atomic { s == s_returning && source_has -> source_runs = true; never_two(); m = 0;
                if :: told_dropped -> s = s_closing :: else -> s = s_noting fi }
    :: atomic { s == s_returning && !source_has -> s = (told_dropped -> s_closing : s_noting) }
    :: atomic { s == s_noting -> source_journal = abort; s = s_tell }
    :: atomic { s == s_tell -> tell_destination(abort); s = s_telling }
#if BROKEN == 5
    :: atomic { s == s_closing -> tell_destination(released); s = s_releasing }
    :: atomic { s == s_releasing -> source_journal = nothing; s = ended;
                if :: up && !source_left -> to_destination!fin; source_left = true :: else fi }
#else
    :: atomic { s == s_closing -> source_journal = nothing; s = s_releasing }
    :: atomic { s == s_releasing -> tell_destination(released); s = ended;
                if :: up && !source_left -> to_destination!fin; source_left = true :: else fi }
#endif

    /* A new connection. The destination says what it holds; who has no session says that. */
    :: atomic { source_met && s != down -> source_met = false;
                if :: s == ended -> tell_destination(st_nothing); to_destination!fin; source_left = true :: else fi }

    :: atomic { s != down && to_source?[m] -> to_source?m;
        if
        :: m == fin -> disconnect()
        :: m == st_verified && s == s_committing -> tell_destination(commit)
        :: m == st_verified && s == s_telling -> tell_destination(abort)
        :: (m == resumed || m == st_resumed) && s == s_committing -> s = s_destroying
        :: (m == dropped || m == st_dropped) && s != ended ->
            if
            :: s == s_moving || s == s_last || s == s_committing -> told_dropped = true; s = s_returning
            :: s == s_telling -> s = s_closing
            :: else -> told_dropped = (s == s_writing_commit || s == s_sending_commit || s == s_returning || told_dropped)
            fi
        :: m == st_nothing && s == s_telling -> s = s_closing
        :: else ->
            /* What a destination that holds to its rules never says. */
            assert(!(s == s_committing && m == st_nothing && !power_was_lost));
            assert(!(s == s_telling && (m == st_committed || m == st_resumed)))
        fi; m = 0 }

    /* A new start. */
    :: atomic { s == down -> told_dropped = false;
        if
        :: source_journal == nothing -> s = ended
        :: source_journal == moving && source_has -> s = s_returning
        :: source_journal == moving && !source_has -> s = s_writing_commit /* the host lost it: the other may have all of it */
        :: source_journal == commit -> s = s_committing
        :: source_journal == abort -> s = s_returning
        fi }
    od
}

active proctype Destination() {
    mtype m;
end:
    do
    /* It has everything. If it has the source's word, too, it takes it. */
    :: atomic { d == d_receiving && sent_all -> destination_has = true;
                if
                :: may_take || BROKEN == 9 -> d = d_writing_committed
                :: else -> d = d_verified; tell_source(verified); to_write = verified
                fi }
    /* It gives up: its entry says building, and that it stays until the source has heard so is as good as dropped. */
    :: atomic { d == d_receiving && !up -> owes_dropped = (BROKEN != 8); d = d_destroying }
    :: atomic { d == d_receiving && faults > 0 -> faults--; owes_dropped = true; tell_source(dropped); d = d_destroying } /* no memory, say */
    :: atomic { d == d_verified && faults > 0 -> faults--; d = d_writing_dropped }                  /* cancelled here */

    :: atomic { to_write != 0 && d != down -> destination_journal = to_write; to_write = 0 }
#if BROKEN == 3
    :: atomic { d == d_writing_committed -> destination_runs = true; never_two(); d = d_running }
    :: atomic { d == d_running && to_write == 0 -> destination_journal = committed; tell_source(committed); d = d_ran }
#else
    :: atomic { d == d_writing_committed && to_write == 0 -> destination_journal = committed; tell_source(committed); d = d_running }
    :: atomic { d == d_running -> destination_runs = true; never_two(); d = d_ran }
    :: atomic { d == d_running && !destination_runs && faults > 0 -> faults--; d = d_writing_dropped } /* it could not be run */
#endif
    :: atomic { d == d_ran -> tell_source(resumed);
#if BROKEN == 6
                to_write = nothing;
#else
                to_write = resumed;
#endif
                d = d_resumed }

#if BROKEN == 4
    :: atomic { d == d_writing_dropped -> tell_source(dropped); d = d_destroying; owes_dropped = true; to_write = dropped }
#else
    :: atomic { d == d_writing_dropped && to_write == 0 -> destination_journal = dropped; tell_source(dropped);
                owes_dropped = true; d = d_destroying }
#endif
    :: atomic { d == d_destroying -> destination_has = false; tell_source(dropped); d = (owes_dropped -> d_dropped : d_closing) }
    :: atomic { d == d_closing && to_write == 0 -> destination_journal = nothing; d = ended;
                if :: up && !destination_left -> to_source!fin; destination_left = true :: else fi }

    :: atomic { destination_met && d != down -> destination_met = false;
        if
        :: d == d_verified -> tell_source(st_verified)
        :: d == d_running || d == d_ran || d == d_lost -> tell_source(st_committed)
        :: d == d_resumed -> tell_source(st_resumed)
        :: d == d_dropped -> tell_source(st_dropped)
        :: d == ended ->
#if BROKEN == 6
            tell_source(st_dropped);
#else
            tell_source(st_nothing);
#endif
            to_source!fin; destination_left = true
        :: else
        fi }

    :: atomic { d != down && to_destination?[m] -> to_destination?m;
        if
        :: m == fin -> disconnect()
        :: m == commit && d == d_verified -> d = d_writing_committed
        :: m == commit && d == d_receiving -> may_take = true
        :: m == abort && (d == d_receiving || d == d_verified) -> owes_dropped = false; d = d_destroying
        :: m == abort && d == d_dropped -> tell_source(dropped)
        :: (m == released || m == st_nothing) && (d == d_resumed || d == d_dropped) -> d = d_closing
        :: else -> assert(!(d == d_verified && m == st_nothing))
        fi; m = 0 }

    :: atomic { d == down -> owes_dropped = false; to_write = 0; may_take = false;
        if
        :: destination_journal == nothing -> d = ended
        :: destination_journal == building -> d = d_writing_dropped
        :: destination_journal == verified -> d = (destination_has -> d_verified : d_writing_dropped)
        :: destination_journal == committed -> d = (destination_has -> d_running : d_lost)
        :: destination_journal == resumed -> d = d_resumed
        :: destination_journal == dropped -> owes_dropped = true; d = d_destroying
        fi }
    od
}

/* What breaks, and what comes back by itself. */
active proctype World() {
#ifdef POWER
end: /* what waits for a person's word rests here */
#endif
    do
    :: atomic { faults > 0 && up -> faults--; disconnect() }
    :: atomic { faults > 0 && s != down && s != ended -> faults--; s = down; disconnect() }
    :: atomic { faults > 0 && d != down && d != ended -> faults--; d = down; disconnect() }
#ifdef POWER
    :: atomic { faults > 0 && s != down -> faults--; s = down; source_runs = false; source_has = false; power_was_lost = true; disconnect() }
    :: atomic { faults > 0 && d != down -> faults--; d = down; destination_runs = false; destination_has = false; power_was_lost = true;
                disconnect() }
#endif
    /* Who waits for the other finds it, when it is there and has noticed that the old connection is gone. */
    :: atomic { !up && s != down && d != down && s != s_moving && s != s_last && d != d_receiving &&
                (s == s_committing || s == s_telling
#if BROKEN != 7
                 || d == d_verified || d == d_resumed || d == d_dropped
#endif
                ) ->
                up = true; source_met = true; destination_met = true }
    :: s == ended && d == ended && !up -> break
    od;
    assert(power_was_lost || (source_runs && source_has && !destination_runs && !destination_has) ||
           (destination_runs && destination_has && !source_runs && !source_has));
    assert(source_journal == nothing && destination_journal == nothing)
}

ltl settles { <> (s == ended && d == ended) }
