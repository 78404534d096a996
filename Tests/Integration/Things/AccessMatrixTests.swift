// SPDX-License-Identifier: Apache-2.0
import Core
import HTTPKit
import Identity
import TestKit
import Testing

/// Every route of the service's own document, asked by everybody: a route without an expectation fails.
@Suite struct AccessMatrixTests {
    /// Who asks, in the domain that owns everything.
    enum Asker: CaseIterable {
        /// A token for the domain that gives no right in it.
        case outsider
        case viewer
        case editor
        case admin
        /// No right in the domain, but one on the group above all.
        case groupViewer
        case groupEditor
        /// No right in the domain, but a viewer of this one thing and this one channel.
        case sharedWith
    }

    enum Needs {
        /// What one sees, whatever that is.
        case list
        /// Something new beside all groups.
        case creation
        case viewer
        case editor
        /// An editor of it and of the whole domain.
        case domainEditor
        case admin
    }

    enum Target { case thing, channel, group }

    struct Expectation {
        let needs: Needs
        let status: Int
        var target = Target.thing
        var body: @Sendable (Scene) -> JSONValue? = { _ in nil }

        func status(for asker: Asker) -> Int {
            // Nobody shared the group.
            let isHidden = asker == .outsider || (asker == .sharedWith && target == .group)
            let isEnough: Bool
            switch needs {
            case .list: return asker == .outsider ? 403 : status
            case .creation: return asker == .editor || asker == .admin ? status : 403
            case .viewer: isEnough = true
            case .editor: isEnough = asker == .editor || asker == .admin || asker == .groupEditor
            case .domainEditor: isEnough = asker == .editor || asker == .admin
            case .admin: isEnough = asker == .admin
            }
            return isHidden ? 404 : isEnough ? status : 403
        }
    }

    /// A group below the top one, with a thing and a channel in it; made anew for each request that may change it.
    struct Scene: Sendable {
        let top: String
        let group: String
        let sibling: String
        let thing: String
        let channel: String

        func fill(_ path: String) -> String {
            let id = path.hasPrefix("/things") ? thing : path.hasPrefix("/channels") ? channel : group
            return path.replacing("{id}", with: id).replacing("{thing}", with: thing)
        }

        var pair: JSONValue { ["thing_ids": [.string(thing)], "channel_ids": [.string(channel)]] }
        var parent: JSONValue { ["parent_id": .string(sibling)] }
    }

    private static let someone: JSONValue = [
        "user_ids": [.string(UserID.new().description)], "relation": "editor",
    ]

    private static let expectations: [String: Expectation] = {
        var all: [String: Expectation] = [
            "POST /connect": Expectation(needs: .editor, status: 200) { $0.pair },
            "POST /disconnect": Expectation(needs: .editor, status: 204) { $0.pair },
            "PUT /disconnect": Expectation(needs: .editor, status: 200) { $0.pair },
            "PUT /channels/{id}/things/{thing}": Expectation(needs: .editor, status: 200),
            "DELETE /channels/{id}/things/{thing}": Expectation(needs: .editor, status: 204),
            "POST /channels/{id}/things/{thing}/connect": Expectation(needs: .editor, status: 201),
            "POST /channels/{id}/things/{thing}/disconnect": Expectation(needs: .editor, status: 204),
            "PATCH /things/{id}/secret": Expectation(needs: .editor, status: 200) { _ in [:] },
            "PATCH /things/{id}/key": Expectation(needs: .editor, status: 200) { _ in [:] },
            "PUT /things/{id}/psk": Expectation(needs: .editor, status: 200) { _ in [:] },
            // There is none: found out by whom it is none of the business would be 404, too.
            "GET /things/{id}/psk": Expectation(needs: .editor, status: 404),
            "DELETE /things/{id}/psk": Expectation(needs: .editor, status: 404),
            "GET /things/{id}/channels": Expectation(needs: .viewer, status: 200),
            "GET /channels/{id}/things": Expectation(needs: .viewer, status: 200, target: .channel),
            "POST /things/search": Expectation(needs: .list, status: 200) { _ in [:] },
            "POST /things/{id}/share": Expectation(needs: .admin, status: 201) { _ in someone },
            "POST /things/{id}/unshare": Expectation(needs: .admin, status: 204) { _ in someone },
            "POST /channels/{id}/groups/assign": Expectation(needs: .editor, status: 201, target: .channel) {
                ["group_ids": [.string($0.sibling)]]
            },
            "POST /channels/{id}/groups/unassign": Expectation(needs: .editor, status: 204, target: .channel) {
                ["group_ids": [.string($0.group)]]
            },
            "GET /groups": Expectation(needs: .list, status: 200),
            "POST /groups": Expectation(needs: .creation, status: 201) { _ in ["name": "new"] },
            "GET /groups/{id}/children": Expectation(needs: .viewer, status: 200, target: .group),
            "GET /groups/{id}/parents": Expectation(needs: .viewer, status: 200, target: .group),
            "GET /groups/{id}/things": Expectation(needs: .viewer, status: 200, target: .group),
            "GET /groups/{id}/channels": Expectation(needs: .viewer, status: 200, target: .group),
            "GET /groups/{id}/members": Expectation(needs: .viewer, status: 200, target: .group),
            // The members are seen by whom they are shared with.
            "POST /groups/{id}/members": Expectation(needs: .editor, status: 200) {
                ["type": "things", "members": [.string($0.thing)]]
            },
            "DELETE /groups/{id}/members": Expectation(needs: .editor, status: 204) {
                ["type": "channels", "members": [.string($0.channel)]]
            },
            "POST /groups/{id}/parent": Expectation(needs: .editor, status: 200, target: .group) { $0.parent },
            "DELETE /groups/{id}/parent": Expectation(needs: .domainEditor, status: 204, target: .group),
        ]
        for (path, target) in [("/things", Target.thing), ("/channels", .channel), ("/groups", .group)] {
            all["GET \(path)/{id}"] = Expectation(needs: .viewer, status: 200, target: target)
            all["PUT \(path)/{id}"] = Expectation(needs: .editor, status: 200, target: target) { _ in ["name": "n"] }
            all["PATCH \(path)/{id}"] = Expectation(needs: .editor, status: 200, target: target) { _ in ["name": "n"] }
            all["DELETE \(path)/{id}"] = Expectation(needs: .editor, status: 204, target: target)
            all["GET \(path)/{id}/users"] = Expectation(needs: .editor, status: 200, target: target)
            guard target != .thing else { continue }
            all["POST \(path)/{id}/users/assign"] = Expectation(needs: .admin, status: 201, target: target) { _ in
                someone
            }
            all["POST \(path)/{id}/users/unassign"] = Expectation(needs: .admin, status: 204, target: target) { _ in
                someone
            }
        }
        for (path, target) in [("/things", Target.thing), ("/channels", .channel)] {
            all["GET \(path)"] = Expectation(needs: .list, status: 200)
            all["POST \(path)"] = Expectation(needs: .creation, status: 201) { _ in [:] }
            all["POST \(path)/bulk"] = Expectation(needs: .creation, status: 201) { _ in [[:], [:]] }
            all["POST \(path)/{id}/enable"] = Expectation(needs: .editor, status: 200, target: target)
            all["POST \(path)/{id}/disable"] = Expectation(needs: .editor, status: 200, target: target)
            all["PATCH \(path)/{id}/tags"] = Expectation(needs: .editor, status: 200, target: target) { _ in
                ["tags": ["t"]]
            }
            all["POST \(path)/{id}/parent"] = Expectation(needs: .editor, status: 200, target: target) { $0.parent }
            all["DELETE \(path)/{id}/parent"] = Expectation(needs: .editor, status: 204, target: target)
        }
        return all
    }()

    @Test func everyRouteAnswersEverybodyAsItShould() async throws {
        try await SharedStack.with { stack in
            let domain = DomainID.new()
            let admin = try await stack.person(.admin, in: domain)
            let top = try #require(try await admin.post("/groups", ["name": "top"]).text("id"))
            var askers: [Asker: Person] = [
                .outsider: try await stack.person(.none, in: domain),
                .viewer: try await stack.person(.viewer, in: domain),
                .editor: try await stack.person(.editor, in: domain), .admin: admin,
            ]
            for (asker, relation) in [(Asker.groupViewer, "viewer"), (.groupEditor, "editor")] {
                let person = try await stack.person(.none, in: domain)
                #expect(try await admin.give(person, relation, on: "/groups/\(top)/users/assign").status == 201)
                askers[asker] = person
            }
            let sharedWith = try await stack.person(.none, in: domain)
            askers[.sharedWith] = sharedWith
            let foreign = DomainID.new()
            let foreigners = [
                try await stack.person(.viewer, in: foreign), try await stack.person(.editor, in: foreign),
                try await stack.person(.admin, in: foreign),
            ]

            let routes = try await Self.routes(of: stack)
            #expect(routes.count > 50)
            for route in routes {
                guard let expectation = Self.expectations[route.description] else {
                    Issue.record("\(route) is not in the matrix")
                    continue
                }
                for asker in Asker.allCases {
                    let person = try #require(askers[asker])
                    let scene = try await Self.scene(below: top, as: admin)
                    #expect(
                        try await admin.give(sharedWith, "viewer", on: "/things/\(scene.thing)/share").status == 201)
                    #expect(
                        try await admin.give(sharedWith, "viewer", on: "/channels/\(scene.channel)/users/assign").status
                            == 201)
                    let answer = try await person.send(
                        route.method, scene.fill(route.path), expectation.body(scene))
                    #expect(
                        answer.status == expectation.status(for: asker),
                        "\(route) as \(asker): \(answer.status) \(answer.reason ?? "")")
                }
                let scene = try await Self.scene(below: top, as: admin)
                for (index, person) in foreigners.enumerated() {
                    let answer = try await person.send(
                        route.method, scene.fill(route.path), expectation.body(scene))
                    let expected =
                        switch expectation.needs {
                        case .list: 200
                        case .creation: index == 0 ? 403 : expectation.status
                        default: 404
                        }
                    #expect(answer.status == expected, "\(route) as a foreigner: \(answer.status)")
                    #expect(!"\(answer.body)".contains(scene.thing), "\(route) shows a foreigner the thing")
                }
            }
            let known = Set(routes.map(\.description))
            for name in Self.expectations.keys { #expect(known.contains(name), "\(name) is no route any more") }
        }
    }

    struct Route: CustomStringConvertible {
        let method: String
        let path: String
        var description: String { "\(method) \(path)" }
    }

    private static func routes(of stack: ThingsStack) async throws -> [Route] {
        let document = try await HTTPClient(port: stack.port).get("/openapi.json").json(JSONValue.self)
        guard case .object(let members) = document, case .object(let paths)? = members["paths"] else { return [] }
        var routes: [Route] = []
        for (path, item) in paths {
            guard case .object(let methods) = item else { continue }
            for method in methods.keys { routes.append(Route(method: method.uppercased(), path: path)) }
        }
        return routes.sorted { $0.description < $1.description }
    }

    private static func scene(below top: String, as admin: Person) async throws -> Scene {
        let group = try #require(
            try await admin.post("/groups", ["name": "group", "parent_id": .string(top)]).text("id"))
        let sibling = try #require(
            try await admin.post("/groups", ["name": "sibling", "parent_id": .string(top)]).text("id"))
        let thing = try await admin.makeThing(["parent_group_id": .string(group)]).id
        let channel = try await admin.makeChannel(["parent_group_id": .string(group)])
        return Scene(
            top: top, group: group, sibling: sibling, thing: thing.description, channel: channel.description)
    }
}

extension Person {
    /// Gives another person a role.
    func give(_ person: Person, _ relation: String, on path: String) async throws -> Answer {
        try await post(
            path, ["user_ids": [.string(person.user.description)], "relation": .string(relation)])
    }
}
