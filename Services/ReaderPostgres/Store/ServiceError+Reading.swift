// SPDX-License-Identifier: Apache-2.0
import Core
import Postgres

extension ServiceError {
    /// What a failure of the database means to who asked.
    init(reading error: PostgresError) {
        // The statement timeout, which counts as retriable: but the same query would take as long again.
        if error.sqlState == .queryCanceled {
            self.init(
                .unprocessable, reason: "query-too-slow",
                "this query takes too long: narrow it by time, page by cursor, or leave out the total",
                detail: "\(error)")
        } else if error.isRetriable || error.kind == .cancelled || error.kind == .closed {
            self.init(
                .unavailable, reason: "database-unavailable", "the database cannot be reached now; try again",
                detail: "\(error)", retryAfterSeconds: 2)
        } else if error.sqlState == .undefinedTable {
            self.init(
                .unavailable, reason: "nothing-stored-yet", "the tables of messages are not there yet; try again",
                detail: "\(error)", retryAfterSeconds: 5)
        } else if error.sqlState == .numericValueOutOfRange {
            self.init(
                .unprocessable, reason: "value-out-of-range",
                "the values add up to more than a number can hold: take a shorter interval or fewer names",
                detail: "\(error)")
        } else if error.isDataError {
            self.init(
                .malformed, reason: "invalid-parameter", "one of the parameters cannot be compared with",
                detail: "\(error)")
        } else {
            self.init(.internalFailure, reason: "internal", "something went wrong on our side", detail: "\(error)")
        }
    }
}
