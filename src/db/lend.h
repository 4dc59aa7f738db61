/*
 * lend.h - a connection that somebody else speaks libpq on, for the files of src/db alone
 *
 * Who has it may do anything: end the transaction, begin another, leave a statement half
 * read, change settings of the session.  So nothing is believed of it when it comes back:
 * the transaction is known by its id, and the session is made new at its end.
 */
#ifndef PAWL_DB_LEND_H
#define PAWL_DB_LEND_H

#include <stdbool.h>

#include "db/db.h"

/* What is remembered of a transaction that was lent. */
typedef struct db_loan
{
	char xid[24];  /* of the transaction; "": it was not lent */
	bool relimit;  /* its limits must be set anew */
	bool disputed; /* nobody has looked yet whether it is the same */
} db_loan;

/* LENT becomes OPEN, IDLE (the transaction is over) or CLOSED. */
void lend_regain(db *conn);

/* After a statement: is it still the transaction that was lent?  Else rolled back. */
PAWL_CHECK pawl_status lend_check(db *conn, pawl_error *error);

/* At the end of a transaction, IDLE: the session as it was; closed if that fails. */
void lend_forget(db *conn);

#endif
