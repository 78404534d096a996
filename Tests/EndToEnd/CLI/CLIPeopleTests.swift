// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestKit
import Testing

/// A tenant's people with `martlet`: what each was given, and nothing else, and no longer than it was.
@Suite(.serialized) struct CLIPeopleTests {
    /// Somebody with a home, a login and a password.
    private struct Person {
        let client: MartletClient
        let identity: String
        var password: String

        func logIn(domain: String? = nil) async throws {
            let place = domain.map { ["--domain", $0] } ?? []
            let run = try await client.run(
                ["login", "--identity", identity, "--password-stdin"] + place, input: password + "\n")
            guard run.status == .exited(0) else { throw ServiceProcess.Ended(description: "\(run)") }
        }

        /// Waits for what the person had to be taken.
        func sessionEnds() async throws {
            try await eventually("the session of \(identity) ends") {
                try await client.run(["things", "list"]).status == .exited(3)
            }
        }
    }

    private static func withTenant(
        _ body: (_ owner: Person, _ guest: Person, _ mails: MailServer) async throws -> Void
    ) async throws {
        let mails = try await MailServer.start()
        let stack = try await Stack.start(settings: [
            "users": [
                "MARTLET_USERS_PASSWORD_COST": "10", "MARTLET_USERS_SMTP_HOST": "127.0.0.1",
                "MARTLET_USERS_SMTP_PORT": String(mails.port), "MARTLET_USERS_SMTP_SECURITY": "none",
                "MARTLET_USERS_SMTP_FROM": "martlet@example.com",
            ]
        ])
        let door = try await FrontDoor.start(stack)
        let admin = try MartletClient(url: door.url)
        try await admin.expect(
            0, "login", "--identity", Stack.adminEmail, "--password-stdin", input: Stack.adminPassword + "\n")
        var people: [Person] = []
        for name in ["owner", "guest"] {
            let person = Person(
                client: try MartletClient(url: door.url), identity: "\(name)@example.com",
                password: "\(name)'s horse battery")
            try await admin.expect(
                0, "users", "create", person.identity, "--name", name, "--password-stdin", input: person.password + "\n"
            )
            try await person.logIn()
            people.append(person)
        }
        try await people[0].client.expect(0, "domains", "create", "Plant 1", "--route", "plant-1")
        try await people[0].client.expect(
            0, "domains", "use", "plant-1", "--password-stdin", input: people[0].password + "\n")
        try await body(people[0], people[1], mails)
        try await stack.stop()
        await mails.stop()
    }

    /// The token of the last mail to somebody that says something.
    private func token(_ mails: MailServer, to identity: String, _ words: String) async throws -> String {
        var token: String?
        try await eventually("the mail with '\(words)' has come") {
            token = try mails.mails().last { $0.to == identity && $0.text.contains(words) }?.token
            return token != nil
        }
        return try #require(token)
    }

    // MARK: Groups of things

    @Test func aRoleOnABranchReachesWhatIsBelowIt() async throws {
        try await Self.withTenant { owner, guest, _ in
            for (name, parent) in [
                ("plant", nil), ("hall 3", "plant"), ("hall 4", "plant"), ("line 1", "hall 3"), ("line 1", "hall 4"),
            ] {
                let place = parent.map { ["--parent", $0] } ?? []
                let run = try await owner.client.run(["groups", "create", name] + place)
                #expect(run.status == .exited(0), "\(run)")
            }
            try await owner.client.expect(0, "things", "create", "press-1")
            try await owner.client.expect(0, "things", "create", "boiler")
            try await owner.client.expect(0, "channels", "create", "alarms", "--route", "alarms")
            #expect(try await owner.client.expect(1, "groups", "view", "line 1").errors.contains("2 groups"))
            try await owner.client.expect(
                0, "groups", "assign", "plant/hall 4/line 1", "--thing", "press-1", "--channel", "alarms")
            try await treeIsDrawn(owner)

            try await owner.client.expect(0, "roles", "create", "visitor", "--action", "domain:read")
            try await owner.client.expect(0, "invitations", "send", guest.identity, "--role", "visitor")
            try await guest.client.expect(0, "invitations", "accept", "Plant 1")
            try await guest.logIn(domain: "plant-1")
            try await guest.client.expect(1, "things")
            try await branchIsShared(owner, guest)
        }
    }

    private func treeIsDrawn(_ owner: Person) async throws {
        let tree = try await owner.client.expect(0, "groups", "tree", "--members").output
        let names = tree.split(separator: "\n").map { line in
            line.replacing(#/ +(group|thing|channel) +[0-9a-f-]{36}$/#, with: "")
        }
        #expect(
            names.dropFirst() == [
                "plant", "├── hall 3", "│   └── line 1", "└── hall 4", "    └── line 1", "        ├── press-1",
                "        └── alarms",
            ], "\(tree)")
        let below = try await owner.client.expect(0, "groups", "tree", "plant/hall 4", "--json").json()
        let roots = try #require(below["groups"] as? [[String: Any]])
        #expect(roots.count == 1 && (roots[0]["children"] as? [Any])?.count == 1)
        #expect(try await owner.client.expect(0, "groups", "things", "plant", "--deep").output.contains("press-1"))
    }

    private func branchIsShared(_ owner: Person, _ guest: Person) async throws {
        try await owner.client.expect(0, "groups", "share", "hall 4", guest.identity, "--role", "editor")
        let shares = try await owner.client.expect(0, "groups", "shares", "hall 4")
        #expect(shares.output.contains(guest.identity) && shares.output.contains("editor"))
        let things = try await guest.client.expect(0, "things")
        #expect(things.output.contains("press-1") && !things.output.contains("boiler"))
        try await guest.client.expect(0, "things", "update", "press-1", "--tag", "seen")
        let tree = try await guest.client.expect(0, "groups")
        #expect(tree.output.contains("hall 4") && !tree.output.contains("hall 3"))
        try await guest.client.expect(1, "groups", "share", "hall 4", guest.identity, "--role", "administrator")

        // The branch moves away from under the role.
        try await owner.client.expect(0, "groups", "move", "plant/hall 4/line 1", "--top")
        try await guest.client.expect(1, "things", "view", "press-1")
        try await owner.client.expect(0, "things", "share", "press-1", guest.identity, "--role", "viewer")
        try await guest.client.expect(0, "things", "view", "press-1")
        try await guest.client.expect(1, "things", "update", "press-1", "--name", "x")
        try await owner.client.expect(0, "things", "unshare", "press-1", guest.identity)
        try await owner.client.expect(0, "groups", "unshare", "hall 4", guest.identity)
        try await guest.client.expect(1, "things")

        let circle = try await owner.client.expect(1, "groups", "move", "plant", "--to", "plant/hall 3/line 1")
        #expect(circle.errors.contains("circle") || circle.errors.contains("below itself"), "\(circle)")
        try await owner.client.expect(0, "groups", "delete", "hall 3")
        let left = try await owner.client.expect(0, "groups", "tree", "plant").output
        #expect(left.contains("├── hall 4") && left.contains("└── line 1"), "\(left)")
        let elsewhere = try await owner.client.expect(1, "groups", "unassign", "plant/line 1", "--thing", "press-1")
        #expect(elsewhere.errors.contains("not-a-member"))
        try await owner.client.expect(0, "groups", "unassign", "/line 1", "--thing", "press-1", "--channel", "alarms")
        #expect(try await !owner.client.expect(0, "groups", "tree", "--members").output.contains("press-1"))
    }

    // MARK: A lost password

    @Test func lostPasswordIsReplacedByTheTokenOfAMail() async throws {
        try await Self.withTenant { _, guest, mails in
            var guest = guest
            let asked = try await guest.client.expect(0, "password", "request-reset", guest.identity)
            let unknown = try await guest.client.expect(0, "password", "request-reset", "nobody@example.com")
            #expect(asked.output == unknown.output)
            let token = try await token(mails, to: guest.identity, "asked for a new password")
            try await guest.client.expect(
                3, "password", "reset", "--password-stdin", input: "not the token\nanother horse battery\n")
            let old = guest.password
            guest.password = "another horse battery"
            try await guest.client.expect(
                0, "password", "reset", "--password-stdin", input: "\(token)\n\(guest.password)\n")
            try await guest.sessionEnds()
            try await guest.client.expect(
                3, "login", "--identity", guest.identity, "--password-stdin", input: old + "\n")
            try await guest.logIn()
            let twice = try await guest.client.expect(
                3, "password", "reset", "--password-stdin", input: "\(token)\nyet another battery\n")
            #expect(twice.errors.contains("invalid-reset-token") && twice.errors.contains("request-reset"))
            try await guest.client.expect(0, "whoami")
            #expect(try mails.mails().allSatisfy { $0.to != "nobody@example.com" })
        }
    }
}
