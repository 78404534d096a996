// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import Postgres

/// An error of a dependency that has a meaning for who asked; transports map it like a ``Core/ServiceError``.
public protocol ServiceErrorConvertible: Error {
    var serviceError: ServiceError { get }
}

extension PostgresError: ServiceErrorConvertible {
    /// A database that is away is worth a retry; data that it cannot hold is the client's; everything else is ours.
    public var serviceError: ServiceError {
        if isRetriable {
            return ServiceError(
                .unavailable, reason: "database-unavailable", "the database cannot be reached now", detail: description,
                retryAfterSeconds: 2)
        }
        if isUniqueViolation {
            return ServiceError(.conflict, reason: "already-exists", "it exists already", detail: description)
        }
        if isDataError {
            return ServiceError(
                .unprocessable, reason: "invalid-value", "a value cannot be stored", detail: description)
        }
        return ServiceError(
            .internalFailure, reason: "database", "something went wrong on our side", detail: description)
    }
}

extension BusError: ServiceErrorConvertible {
    public var serviceError: ServiceError { ServiceError(self, calling: "the bus") }
}
