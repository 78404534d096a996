// SPDX-License-Identifier: Apache-2.0
import Core

/// The refusals that are this service's own. What belongs to another domain does not exist for who asks.
enum ThingsRefusal {
    static let unknownThing = ServiceError(.notFound, reason: "unknown-thing", "there is no such thing")
    static let unknownChannel = ServiceError(.notFound, reason: "unknown-channel", "there is no such channel")
    static let duplicateKey = ServiceError(
        .conflict, reason: "key-in-use", "this key cannot be used: choose another one")
    static let duplicateIdentifier = ServiceError(
        .conflict, reason: "identifier-in-use", "this id cannot be used: choose another one, or none")
    static let duplicateRoute = ServiceError(
        .conflict, reason: "route-in-use", "another channel of the domain has this route")
    static let concurrentChange = ServiceError(
        .conflict, reason: "concurrent-change", "what this refers to was changed or removed meanwhile; try again")

    static func away(_ detail: String) -> ServiceError {
        ServiceError(
            .unavailable, reason: "database-unavailable", "the database cannot be reached now; try again",
            detail: detail, retryAfterSeconds: 2)
    }
}
