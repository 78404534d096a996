// SPDX-License-Identifier: Apache-2.0
import Core
import Identity

/// The person who asks or changes, the domain in which it happens, and what the person may do everywhere in it.
///
/// What the domain does not allow, a role on a group, thing or channel may (``Grant``).
struct Actor: Sendable, Equatable {
    let user: UserID
    let domain: DomainID
    let role: Role

    /// - Throws: `forbidden` unless the role in the whole domain is enough.
    func require(_ least: Role) throws(ServiceError) {
        guard role >= least else { throw ThingsRefusal.roleTooLow(least, has: role) }
    }
}
