// SPDX-License-Identifier: Apache-2.0
import Core
import Identity

/// The refusals that are this service's own. What belongs to another domain does not exist for who asks.
enum ThingsRefusal {
    static let unknownThing = ServiceError(.notFound, reason: "unknown-thing", "there is no such thing")
    static let unknownChannel = ServiceError(.notFound, reason: "unknown-channel", "there is no such channel")
    static let unknownGroup = ServiceError(.notFound, reason: "unknown-group", "there is no such group")
    static let groupCycle = ServiceError(
        .unprocessable, reason: "group-cycle", "a group cannot be put below itself")
    static let groupTooDeep = ServiceError(
        .unprocessable, reason: "group-too-deep", "groups can be at most \(Group.maximumLevels) levels deep")
    static let tooManyGroups = ServiceError(
        .unprocessable, reason: "too-many-groups", "a domain can have at most \(Group.maximumGroups) groups")
    static let treeTooLarge = ServiceError(
        .unprocessable, reason: "tree-too-large",
        "a tree shows at most \(Group.maximumTree) groups: ask for fewer levels, or without 'tree'")
    static let raisesRole = ServiceError(
        .forbidden, reason: "role-would-rise",
        "this would give you a higher role there than you have: ask someone who has it")
    static let tooManyGrants = ServiceError(
        .unprocessable, reason: "too-many-grants",
        "at most \(Grant.maximumPerSubject) persons can have a role on one thing, channel or group")
    static let duplicateKey = ServiceError(
        .conflict, reason: "key-in-use", "this key cannot be used: choose another one")
    static let duplicatePreSharedKeyIdentity = ServiceError(
        .conflict, reason: "psk-identity-in-use", "this 'identity' cannot be used: choose another one")
    static let unknownPreSharedKey = ServiceError(
        .notFound, reason: "unknown-psk", "the thing has no pre-shared key")
    static let noSecretsKey = ServiceError(
        .unavailable, reason: "no-secrets-key",
        "pre-shared keys cannot be stored: the service has no key to encrypt them with (setting 'secrets.key.file')")
    static let duplicateIdentifier = ServiceError(
        .conflict, reason: "identifier-in-use", "this id cannot be used: choose another one, or none")
    static let duplicateRoute = ServiceError(
        .conflict, reason: "route-in-use", "another channel of the domain has this route")
    static let concurrentChange = ServiceError(
        .conflict, reason: "concurrent-change", "what this refers to was changed or removed meanwhile; try again")

    static func roleTooLow(_ least: Role, has role: Role) -> ServiceError {
        ServiceError(
            .forbidden, reason: "role-too-low",
            "this needs the role \(least.rawValue), and you have \(role.rawValue) here")
    }

    static func away(_ detail: String) -> ServiceError {
        ServiceError(
            .unavailable, reason: "database-unavailable", "the database cannot be reached now; try again",
            detail: detail, retryAfterSeconds: 2)
    }
}
