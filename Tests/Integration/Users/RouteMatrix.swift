// SPDX-License-Identifier: Apache-2.0

/// What every route of the service answers to whom. A route that is not here fails the matrix test.
enum RouteMatrix {
    /// Who may.
    enum Rule: Sendable, Equatable {
        /// Anybody; what stands in `Authorization` is not looked at.
        case anyone
        /// Anybody without a token; with one as `session`.
        case registration
        /// Who has logged in.
        case session
        /// Who has logged in, and keys.
        case person
        /// Administrators of the installation.
        case platform
        /// Administrators of the installation; for others the user is not there.
        case otherUser
        /// Members of the domain with this action.
        case domain(String)
        /// Who has this action and administrates the installation, too.
        case platformInDomain(String)
        /// Nobody, for this reason: the body holds a token that is no good.
        case nobody(String)
    }

    struct Expectation: Sendable {
        var rule: Rule
        var body: String?
        /// Ends sessions or switches something off: all is brought back afterwards.
        var isDisruptive: Bool

        init(_ rule: Rule, _ body: String? = nil, isDisruptive: Bool = false) {
            self.rule = rule
            self.body = body
            self.isDisruptive = isDisruptive
        }
    }

    /// Stands for somebody and something that is not there.
    static let absent = "00000000-0000-7000-8000-000000000001"

    private static let list = #"{"user_ids":["\#(absent)"]}"#
    private static let answer = #"{"id":"\#(absent)"}"#

    static let expectations: [String: Expectation] = accounts.merging(domains) { $1 }.merging(keys) { $1 }

    private static let accounts: [String: Expectation] = [
        "POST /tokens": Expectation(.anyone, #"{"email":"nobody","password":"x"}"#),
        "POST /users/tokens/issue": Expectation(.anyone, #"{"identity":"nobody","secret":"x"}"#),
        "POST /users/tokens/refresh": Expectation(.nobody("invalid-refresh-token"), #"{"refresh_token":"x"}"#),
        "POST /users/tokens/revoke": Expectation(.session, isDisruptive: true),
        "GET /.well-known/jwks.json": Expectation(.anyone),
        "POST /password/reset-request": Expectation(.anyone, #"{"email":"a@b"}"#),
        "PUT /password/reset": Expectation(.anyone, #"{"token":"x","password":"long enough"}"#),
        "PATCH /password": Expectation(.session, #"{"old_password":"not it","password":"long enough"}"#),
        "POST /users": Expectation(.registration, #"{"email":"a@b","password":"short"}"#),
        "PUT /users": Expectation(.session, #"{"metadata":{}}"#),
        "GET /users": Expectation(.platform),
        "GET /users/search": Expectation(.platform),
        "GET /users/profile": Expectation(.person),
        "PATCH /users/profile": Expectation(.session, #"{"name":"n"}"#),
        "PATCH /users/secret": Expectation(.session, #"{"old_secret":"not it","new_secret":"long enough"}"#),
        "GET /users/{id}": Expectation(.otherUser),
        "PATCH /users/{id}": Expectation(.otherUser, #"{"name":"n"}"#),
        "PATCH /users/{id}/tags": Expectation(.otherUser, #"{"tags":["t"]}"#),
        "PATCH /users/{id}/identity": Expectation(.otherUser, #"{"identity":"victim","secret":"x"}"#),
        "PATCH /users/{id}/username": Expectation(.otherUser, #"{"username":"victim","secret":"x"}"#),
        "PATCH /users/{id}/email": Expectation(.otherUser, #"{"email":"victim@b","secret":"x"}"#),
        "DELETE /users/{id}": Expectation(.otherUser, #"{"secret":"x"}"#, isDisruptive: true),
        "PATCH /users/{id}/role": Expectation(.platform, #"{"role":"user"}"#),
        "POST /users/{id}/enable": Expectation(.platform),
        "POST /users/{id}/disable": Expectation(.platform),
        "POST /users/{id}/unlock": Expectation(.platform),
    ]

    private static let domains: [String: Expectation] = [
        "POST /domains": Expectation(.session, #"{"name":""}"#),
        "GET /domains": Expectation(.session),
        "GET /domains/roles/available-actions": Expectation(.person),
        "GET /domains/{id}": Expectation(.domain("domain:read")),
        "PATCH /domains/{id}": Expectation(.domain("domain:manage"), #"{"name":"n"}"#),
        "POST /domains/{id}/enable": Expectation(.domain("domain:manage")),
        "POST /domains/{id}/disable": Expectation(.domain("domain:manage"), isDisruptive: true),
        "POST /domains/{id}/freeze": Expectation(.platformInDomain("domain:manage"), isDisruptive: true),
        "GET /domains/{id}/users": Expectation(.domain("users:read")),
        "POST /domains/{id}/users/assign": Expectation(
            .domain("users:manage"), #"{"user_ids":["\#(absent)"],"role":"viewer"}"#),
        "POST /domains/{id}/users/unassign": Expectation(.domain("users:manage"), list),
        "POST /domains/{id}/roles": Expectation(.domain("domain:manage"), #"{"name":""}"#),
        "GET /domains/{id}/roles": Expectation(.domain("domain:read")),
        "GET /domains/{id}/roles/{role}": Expectation(.domain("domain:read")),
        "PUT /domains/{id}/roles/{role}": Expectation(.domain("domain:manage"), #"{"name":"n"}"#),
        "DELETE /domains/{id}/roles/{role}": Expectation(.domain("domain:manage")),
        "GET /domains/{id}/roles/{role}/actions": Expectation(.domain("domain:read")),
        "POST /domains/{id}/roles/{role}/actions": Expectation(.domain("domain:manage"), #"{"actions":[]}"#),
        "POST /domains/{id}/roles/{role}/actions/delete": Expectation(.domain("domain:manage"), #"{"actions":[]}"#),
        "POST /domains/{id}/roles/{role}/actions/delete-all": Expectation(.domain("domain:manage")),
        "GET /domains/{id}/roles/{role}/members": Expectation(.domain("users:read")),
        "POST /domains/{id}/roles/{role}/members": Expectation(.domain("users:manage"), list),
        "POST /domains/{id}/roles/{role}/members/delete": Expectation(.domain("users:manage"), list),
        "POST /domains/{id}/roles/{role}/members/delete-all": Expectation(.domain("users:manage")),
        "POST /domains/{id}/groups": Expectation(.domain("users:manage"), #"{"name":""}"#),
        "GET /domains/{id}/groups": Expectation(.domain("users:read")),
        "GET /domains/{id}/groups/{group}": Expectation(.domain("users:read")),
        "PATCH /domains/{id}/groups/{group}": Expectation(.domain("users:manage"), #"{"name":"n"}"#),
        "DELETE /domains/{id}/groups/{group}": Expectation(.domain("users:manage")),
        "PUT /domains/{id}/groups/{group}/roles": Expectation(.domain("users:manage"), #"{"role":"viewer"}"#),
        "GET /domains/{id}/groups/{group}/users": Expectation(.domain("users:read")),
        "POST /domains/{id}/groups/{group}/users/assign": Expectation(.domain("users:manage"), list),
        "POST /domains/{id}/groups/{group}/users/unassign": Expectation(.domain("users:manage"), list),
        "POST /domains/{id}/invitations": Expectation(
            .domain("users:manage"), #"{"invitee_user_id":"\#(absent)","role":"viewer"}"#),
        "GET /domains/{id}/invitations": Expectation(.domain("users:read")),
        "DELETE /domains/{id}/invitations": Expectation(
            .domain("users:manage"), #"{"invitee_user_id":"\#(absent)"}"#),
        "DELETE /domains/{id}/invitations/{invitation}": Expectation(.domain("users:manage")),
        "GET /invitations": Expectation(.session),
        "POST /invitations/accept": Expectation(.session, answer),
        "POST /invitations/reject": Expectation(.session, answer),
    ]

    private static let keys: [String: Expectation] = [
        "POST /keys": Expectation(.session, #"{"type":0}"#),
        "GET /keys": Expectation(.session),
        "GET /keys/{id}": Expectation(.session),
        "DELETE /keys/{id}": Expectation(.session),
        "POST /pats": Expectation(.session, #"{"name":"x","duration":5}"#),
        "GET /pats": Expectation(.session),
        "DELETE /pats": Expectation(.session, isDisruptive: true),
        "GET /pats/{id}": Expectation(.session),
        "DELETE /pats/{id}": Expectation(.session),
        "PATCH /pats/{id}/name": Expectation(.session, #"{"name":"n"}"#),
        "PATCH /pats/{id}/description": Expectation(.session, #"{"description":"n"}"#),
        "PATCH /pats/{id}/secret/reset": Expectation(.session),
        "PATCH /pats/{id}/secret/revoke": Expectation(.session),
        "GET /pats/{id}/scope": Expectation(.session),
        "PATCH /pats/{id}/scope/add": Expectation(.session, #"{"scopes":[]}"#),
        "PATCH /pats/{id}/scope/remove": Expectation(.session, #"{"scopes":[]}"#),
    ]
}
