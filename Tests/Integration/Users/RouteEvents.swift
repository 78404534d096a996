// SPDX-License-Identifier: Apache-2.0

/// What every route that changes something announces, in an order in which each finds what it needs. A changing route that is not here
/// fails the test.
enum RouteEvents {
    /// Who asks.
    enum Caller: Sendable {
        case nobody
        case ada
        case bob
        case platform
    }

    struct Step: Sendable {
        var route: String
        var caller: Caller
        /// The path, where it is not the route's: names in braces stand for what ``EventTests`` knows by them.
        var path: String
        var body: String
        /// `entity.what`
        var event: String
        /// Whom the event names as `user`, by the name of ``EventTests``; nil: nobody has to be named.
        var user: String?
        /// Whether the event names the domain of the test.
        var isInDomain: Bool
        /// The name for the `id` of the answer.
        var id: String?

        init(
            _ route: String, _ caller: Caller, _ body: String = "", _ event: String, path: String? = nil,
            user: String? = nil, isInDomain: Bool = false, id: String? = nil
        ) {
            self.route = route
            self.caller = caller
            self.body = body
            self.event = event
            self.path = path ?? route.split(separator: " ").last.map(String.init) ?? ""
            self.user = user
            self.isInDomain = isInDomain
            self.id = id
        }
    }

    static let steps: [Step] = users + domains + roles + groups + invitations + keys + endings

    private static let users: [Step] = [
        Step(
            "POST /users", .nobody, #"{"email":"eve@example.com","password":"long enough"}"#, "user.created", id: "eve"),
        Step(
            "POST /tokens", .nobody, #"{"email":"ada@example.com","password":"a long secret"}"#, "session.created",
            user: "ada"),
        Step(
            "POST /users/tokens/issue", .nobody, #"{"identity":"ada@example.com","secret":"a long secret"}"#,
            "session.created", user: "ada"),
        Step(
            "POST /users/tokens/refresh", .nobody, #"{"refresh_token":"{refresh}"}"#, "session.refreshed", user: "ada"),
        Step("PUT /users", .ada, #"{"metadata":{"a":1}}"#, "user.updated", user: "ada"),
        Step("PATCH /users/profile", .ada, #"{"name":"Ada"}"#, "user.updated", user: "ada"),
        Step("PATCH /users/{id}", .platform, #"{"name":"B"}"#, "user.updated", path: "/users/{bob}", user: "bob"),
        Step(
            "PATCH /users/{id}/tags", .platform, #"{"tags":["t"]}"#, "user.updated", path: "/users/{bob}/tags",
            user: "bob"),
        Step(
            "PATCH /users/{id}/identity", .platform, #"{"identity":"bob2"}"#, "user.identity-changed",
            path: "/users/{bob}/identity", user: "bob"),
        Step(
            "PATCH /users/{id}/username", .platform, #"{"username":"bob3"}"#, "user.identity-changed",
            path: "/users/{bob}/username", user: "bob"),
        Step(
            "PATCH /users/{id}/email", .platform, #"{"email":"bob@example.com"}"#, "user.identity-changed",
            path: "/users/{bob}/email", user: "bob"),
        Step(
            "PATCH /users/secret", .ada, #"{"old_secret":"a long secret","new_secret":"a second secret"}"#,
            "user.secret-changed", user: "ada"),
        Step(
            "PATCH /password", .ada, #"{"old_password":"a second secret","password":"a long secret"}"#,
            "user.secret-changed", user: "ada"),
        Step(
            "PATCH /users/{id}/role", .platform, #"{"role":"admin"}"#, "user.role-changed", path: "/users/{eve}/role",
            user: "eve"),
        Step("POST /users/{id}/disable", .platform, "user.disabled", path: "/users/{eve}/disable", user: "eve"),
        Step("POST /users/{id}/enable", .platform, "user.enabled", path: "/users/{eve}/enable", user: "eve"),
        Step("POST /users/{id}/unlock", .platform, "user.unlocked", path: "/users/{locked}/unlock", user: "locked"),
        Step(
            "POST /password/reset-request", .nobody, #"{"email":"eve@example.com"}"#, "user.reset-requested",
            user: "eve"),
        Step(
            "PUT /password/reset", .nobody, #"{"token":"{reset}","password":"another secret"}"#, "user.secret-changed",
            user: "eve"),
    ]

    private static let domains: [Step] = [
        Step("POST /domains", .ada, #"{"name":"plant"}"#, "domain.created", id: "domain"),
        Step("PATCH /domains/{id}", .ada, #"{"name":"plant 1"}"#, "domain.updated", path: "/domains/{domain}"),
        Step(
            "POST /domains/{id}/disable", .ada, "domain.disabled", path: "/domains/{domain}/disable", isInDomain: true),
        Step(
            "POST /domains/{id}/freeze", .platform, "domain.frozen", path: "/domains/{domain}/freeze", isInDomain: true),
        Step(
            "POST /domains/{id}/enable", .platform, "domain.enabled", path: "/domains/{domain}/enable",
            isInDomain: true),
        Step(
            "POST /domains/{id}/users/assign", .ada, #"{"user_ids":["{bob}"],"role":"editor"}"#, "membership.changed",
            path: "/domains/{domain}/users/assign", user: "bob", isInDomain: true),
    ]

    private static func role(
        _ method: String, _ tail: String, _ body: String, _ event: String, user: String? = nil
    ) -> Step {
        Step(
            "\(method) /domains/{id}/roles/{role}\(tail)", .ada, body, event,
            path: "/domains/{domain}/roles/{role}\(tail)",
            user: user, isInDomain: true)
    }

    private static let roles: [Step] = [
        Step(
            "POST /domains/{id}/roles", .ada, #"{"name":"r","actions":["things:read"]}"#, "role.created",
            path: "/domains/{domain}/roles", isInDomain: true, id: "role"),
        role("PUT", "", #"{"name":"r2"}"#, "role.updated"),
        role("POST", "/actions", #"{"actions":["channels:read","users:read"]}"#, "role.updated"),
        role("POST", "/actions/delete", #"{"actions":["channels:read"]}"#, "role.updated"),
        role("POST", "/actions/delete-all", "", "role.updated"),
        role("POST", "/members", #"{"members":["{bob}"]}"#, "membership.changed", user: "bob"),
        role("POST", "/members/delete", #"{"members":["{bob}"]}"#, "membership.changed", user: "bob"),
        role("POST", "/members", #"{"members":["{bob}"]}"#, "membership.changed", user: "bob"),
        role("POST", "/members/delete-all", "", "membership.changed", user: "bob"),
        role("DELETE", "", "", "role.removed"),
    ]

    private static func group(
        _ method: String, _ tail: String, _ body: String, _ event: String, user: String? = nil
    ) -> Step {
        Step(
            "\(method) /domains/{id}/groups/{group}\(tail)", .ada, body, event,
            path: "/domains/{domain}/groups/{group}\(tail)", user: user, isInDomain: true)
    }

    private static let groups: [Step] = [
        Step(
            "POST /domains/{id}/groups", .ada, #"{"name":"g"}"#, "group.created", path: "/domains/{domain}/groups",
            isInDomain: true, id: "group"),
        group("PATCH", "", #"{"name":"g2"}"#, "group.updated"),
        group("PUT", "/roles", #"{"role":"viewer"}"#, "group.updated"),
        group("POST", "/users/assign", #"{"user_ids":["{bob}"]}"#, "membership.changed", user: "bob"),
        group("POST", "/users/unassign", #"{"user_ids":["{bob}"]}"#, "membership.changed", user: "bob"),
        group("DELETE", "", "", "group.removed"),
    ]

    private static func invite(_ id: String) -> Step {
        Step(
            "POST /domains/{id}/invitations", .ada, #"{"invitee_user_id":"{bob}","role":"viewer"}"#,
            "invitation.created",
            path: "/domains/{domain}/invitations", user: "bob", isInDomain: true, id: id)
    }

    private static let invitations: [Step] = [
        Step(
            "POST /domains/{id}/users/unassign", .ada, #"{"user_ids":["{bob}"]}"#, "membership.removed",
            path: "/domains/{domain}/users/unassign", user: "bob", isInDomain: true),
        invite("first"),
        Step(
            "DELETE /domains/{id}/invitations", .ada, #"{"invitee_user_id":"{bob}"}"#, "invitation.removed",
            path: "/domains/{domain}/invitations", user: "bob", isInDomain: true),
        invite("second"),
        Step(
            "DELETE /domains/{id}/invitations/{invitation}", .ada, "invitation.removed",
            path: "/domains/{domain}/invitations/{second}", user: "bob", isInDomain: true),
        invite("third"),
        Step(
            "POST /invitations/reject", .bob, #"{"id":"{third}"}"#, "invitation.rejected", user: "bob", isInDomain: true
        ),
        invite("fourth"),
        Step(
            "POST /invitations/accept", .bob, #"{"id":"{fourth}"}"#, "invitation.accepted", user: "bob",
            isInDomain: true),
    ]

    private static let scope = #"{"scopes":[{"action":"things:read"}]}"#

    private static func token(_ method: String, _ tail: String, _ body: String, _ event: String) -> Step {
        Step("\(method) /pats/{id}\(tail)", .ada, body, event, path: "/pats/{pat}\(tail)", user: "ada")
    }

    private static let newToken = Step(
        "POST /pats", .ada, #"{"name":"x","scopes":[{"action":"channels:read"}]}"#, "key.created", user: "ada",
        id: "pat")

    private static let keys: [Step] = [
        Step("POST /keys", .ada, #"{"type":2}"#, "key.created", user: "ada", id: "key"),
        Step("DELETE /keys/{id}", .ada, "key.revoked", path: "/keys/{key}", user: "ada"),
        newToken,
        token("PATCH", "/name", #"{"name":"n"}"#, "key.updated"),
        token("PATCH", "/description", #"{"description":"n"}"#, "key.updated"),
        token("PATCH", "/scope/add", scope, "key.updated"),
        token("PATCH", "/scope/remove", scope, "key.updated"),
        token("PATCH", "/secret/reset", "", "key.updated"),
        token("PATCH", "/secret/revoke", "", "key.revoked"),
        token("DELETE", "", "", "key.revoked"),
        newToken,
        Step("DELETE /pats", .ada, "key.revoked", user: "ada"),
    ]

    private static let endings: [Step] = [
        Step("POST /users/tokens/revoke", .bob, "session.revoked", user: "bob"),
        Step("DELETE /users/{id}", .platform, "user.removed", path: "/users/{eve}", user: "eve"),
    ]
}

extension RouteEvents.Step {
    /// Without a body.
    fileprivate init(
        _ route: String, _ caller: RouteEvents.Caller, _ event: String, path: String? = nil, user: String? = nil,
        isInDomain: Bool = false
    ) {
        self.init(route, caller, "", event, path: path, user: user, isInDomain: isInDomain, id: nil)
    }
}
