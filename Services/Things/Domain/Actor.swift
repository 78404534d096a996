// SPDX-License-Identifier: Apache-2.0
import Core

/// The person who changes something, and the domain in which it happens.
struct Actor: Sendable, Equatable {
    let user: UserID
    let domain: DomainID
}
