// SPDX-License-Identifier: Apache-2.0
import Core
import Foundation
import TestKit
import Testing

/// Every route of the served document × everybody × the own and a foreign domain.
@Suite(.serialized) struct MatrixTests {
    private enum Actor: String, CaseIterable {
        case anonymous
        /// Administrates a domain of the own, and is nobody in the other.
        case outsider
        case viewer
        case editor
        case admin
        /// A member by a role with `domain:read` and `things:read` only.
        case custom
        /// Administrates the installation.
        case platform
        /// Was switched off after logging in.
        case disabled
        /// The domain administrator's key with `domain:read` and `users:read`.
        case key

        /// The actions in the domain in the middle.
        func has(_ action: String) -> Bool {
            switch self {
            case .admin, .platform: true
            case .viewer, .editor: action.hasSuffix(":read")
            case .custom: action == "domain:read"
            case .key: action == "domain:read" || action == "users:read"
            case .anonymous, .outsider, .disabled: false
            }
        }
    }

    private enum Outcome: Equatable {
        /// Whatever comes of it, it is not a matter of who asks.
        case allowed
        case refused(Int, Set<String>)
    }

    /// All reasons that are a matter of who asks.
    private static let refusals: Set<String> = [
        "no-credentials", "wrong-scheme", "invalid-token", "token-revoked", "token-expired", "invalid-key",
        "login-needed",
        "not-an-administrator", "role-too-low", "action-not-granted", "unknown-domain", "unknown-user", "no-domain",
        "domain-frozen", "more-than-own-rights",
    ]

    private static let unauthenticated = Outcome.refused(401, ["no-credentials"])
    private static let ended = Outcome.refused(401, ["token-revoked"])
    private static let noKeys = Outcome.refused(403, ["login-needed"])
    private static let tooLittle = Outcome.refused(403, ["role-too-low", "action-not-granted"])
    private static let notThere = Outcome.refused(404, ["unknown-domain"])

    /// - Parameter isForeign: the path names the outsider's domain.
    private func expected(_ rule: RouteMatrix.Rule, of actor: Actor, isForeign: Bool) -> Outcome {
        switch rule {
        case .anyone: return .allowed
        case .nobody(let reason): return .refused(401, [reason])
        case .registration where actor == .anonymous: return .allowed
        default: break
        }
        if actor == .anonymous { return Self.unauthenticated }
        if actor == .disabled { return Self.ended }
        switch rule {
        case .anyone, .nobody, .person: return .allowed
        case .registration, .session: return actor == .key ? Self.noKeys : .allowed
        case .platform:
            if actor == .key { return Self.noKeys }
            return actor == .platform ? .allowed : .refused(403, ["not-an-administrator"])
        case .otherUser:
            if actor == .key { return Self.noKeys }
            return actor == .platform ? .allowed : .refused(404, ["unknown-user"])
        case .domain(let action): return inDomain(action, actor, isForeign: isForeign)
        case .platformInDomain(let action):
            let inside = inDomain(action, actor, isForeign: isForeign)
            return inside == .allowed && actor != .platform ? .refused(403, ["not-an-administrator"]) : inside
        }
    }

    private func inDomain(_ action: String, _ actor: Actor, isForeign: Bool) -> Outcome {
        if actor == .platform { return .allowed }
        guard (actor == .outsider) == isForeign else { return Self.notThere }
        return isForeign || actor.has(action) ? .allowed : Self.tooLittle
    }

    private final class World {
        let users: UsersFixture
        var domain = ""
        var foreign = ""
        var victim = ""
        var guests: [Actor: String] = [:]
        var tokens: [Actor: TokenPair] = [:]

        init(_ users: UsersFixture) { self.users = users }

        func build() async throws {
            for actor in [Actor.outsider, .viewer, .editor, .admin, .custom, .disabled] {
                let user = try await users.register(actor.rawValue)
                guests[actor] = user.id
                if actor == .outsider { foreign = user.default_domain ?? "" }
                if actor == .admin { domain = user.default_domain ?? "" }
            }
            let admin = try await users.logIn("admin")
            struct Entity: Decodable { var id: String }
            let actions = #"{"name":"small","actions":["domain:read","things:read"]}"#
            let role: Entity = try users.expect(
                201, await users.send("POST", "/domains/\(domain)/roles", actions, as: admin)
            ).json()
            for (actor, name) in [
                (Actor.viewer, "viewer"), (.editor, "editor"), (.custom, role.id), (.disabled, "admin"),
            ] {
                let body = #"{"user_ids":["\#(guests[actor] ?? "")"],"role":"\#(name)"}"#
                try users.expect(201, await users.send("POST", "/domains/\(domain)/users/assign", body, as: admin))
            }
            try await restore()
            tokens[.disabled] = try await users.logIn("disabled", domain: domain)
            let off = "/users/\(guests[.disabled] ?? "")/disable"
            try users.expect(200, await users.send("POST", off, as: tokens[.platform]))
        }

        /// Brings back what a disruptive request took away.
        func restore() async throws {
            let platform = try await users.admin()
            tokens[.platform] = platform
            // The identity is free when the victim was removed, and taken when not.
            let registration = #"{"name":"victim","credentials":{"identity":"victim","secret":"a long secret"}}"#
            let again = try await users.send("POST", "/users", registration)
            if again.status == 201 { victim = try again.json(EntityBody.self).id }
            for domain in [domain, foreign] {
                try users.expect(200, await users.send("POST", "/domains/\(domain)/enable", as: platform))
            }
            for actor in [Actor.viewer, .editor, .admin, .custom] {
                tokens[actor] = try await users.logIn(actor.rawValue, domain: domain)
            }
            tokens[.outsider] = try await users.logIn("outsider")
            let scopes = #"{"name":"k","scopes":[{"action":"domain:read"},{"action":"users:read"}]}"#
            let key: KeyTests.Issued = try users.expect(
                201, await users.send("POST", "/pats", scopes, as: tokens[.admin])
            ).json()
            tokens[.key] = key.token
        }

        func path(_ template: String, isForeign: Bool) -> String {
            let id =
                template.hasPrefix("/domains")
                ? (isForeign ? foreign : domain)
                : template.hasPrefix("/users") ? victim : RouteMatrix.absent
            return UsersFixture.path(template, id: id, absent: RouteMatrix.absent)
        }
    }

    private func check(
        _ route: String, _ expectation: RouteMatrix.Expectation, documented: Set<String>, in world: World
    ) async throws {
        let parts = route.split(separator: " ")
        let (method, template) = (String(parts[0]), String(parts[1]))
        for isForeign in template.hasPrefix("/domains/{id}") ? [false, true] : [false] {
            for actor in Actor.allCases {
                let path = world.path(template, isForeign: isForeign)
                let answer = try await world.users.send(
                    method, path, expectation.body ?? "", as: actor == .anonymous ? nil : world.tokens[actor])
                let what: Comment =
                    "\(actor.rawValue)\(isForeign ? " in the foreign domain" : ""): \(route): \(answer.status) \(answer.text.prefix(300))"
                #expect(answer.status < 500, what)
                #expect(documented.contains(String(answer.status)), "undocumented: \(what)")
                let reason = answer.problem?.reason ?? ""
                switch expected(expectation.rule, of: actor, isForeign: isForeign) {
                case .allowed:
                    // 422: what the body names is not there; that was looked up after who asks was let in.
                    let isRefusal = Self.refusals.contains(reason) && answer.status != 422
                    #expect(!isRefusal && answer.status != 405, what)
                case .refused(let status, let reasons):
                    #expect(answer.status == status && reasons.contains(reason), what)
                }
                if expectation.isDisruptive, answer.status < 300 { try await world.restore() }
            }
        }
    }

    @Test func everyRouteAnswersEverybodyAsExpected() async throws {
        try await UsersFixture.with(["lockout.failures": 100_000]) { users in
            let answer = try await users.client.get("/openapi.json")
            let document = try #require(try JSONSerialization.jsonObject(with: Data(answer.body)) as? [String: Any])
            let paths = try #require(document["paths"] as? [String: [String: Any]])
            var documented: [String: Set<String>] = [:]
            for (path, operations) in paths {
                for (method, operation) in operations {
                    let responses = (operation as? [String: Any])?["responses"] as? [String: Any]
                    documented["\(method.uppercased()) \(path)"] = Set(try #require(responses).keys)
                }
            }
            let served = Set(documented.keys)
            let known = Set(RouteMatrix.expectations.keys)
            #expect(served.subtracting(known).isEmpty, "without an expectation: \(served.subtracting(known).sorted())")
            #expect(known.subtracting(served).isEmpty, "not served: \(known.subtracting(served).sorted())")
            let world = World(users)
            try await world.build()
            for (route, expectation) in RouteMatrix.expectations.sorted(by: { $0.key < $1.key }) {
                try await check(route, expectation, documented: documented[route] ?? [], in: world)
            }
        }
    }
}
