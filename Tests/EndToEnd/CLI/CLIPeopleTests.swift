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

    @Test func aPersonMayDoWhatTheyWereGivenAndNothingElse() async throws {
        try await Self.withTenant { owner, guest, mails in
            try await owner.client.expect(0, "things", "create", "press-1")
            try await owner.client.expect(0, "channels", "create", "hall-4", "--route", "hall-4")
            try await roleIsMade(owner)
            try await invitationIsAcceptedByItsMail(owner, guest, mails)
            try await roleIsExactlyThat(guest)
            try await roleBecomesMoreAndLess(owner, guest)
            try await groupGivesARole(owner, guest)
            try await removalTakesEverything(owner, guest)
        }
    }

    private func roleIsMade(_ owner: Person) async throws {
        let actions = try await owner.client.expect(0, "roles", "actions")
        #expect(actions.output.contains("things:read"))
        let unknown = try await owner.client.expect(1, "roles", "create", "x", "--action", "things:paint")
        #expect(unknown.errors.contains("unknown-action"))
        try await owner.client.expect(0, "roles", "create", "night shift", "--action", "things:read")
        #expect(try await owner.client.expect(0, "roles").output.contains("night shift"))
        try await owner.client.expect(1, "roles", "create", "night shift", "--action", "things:read")
    }

    private func invitationIsAcceptedByItsMail(_ owner: Person, _ guest: Person, _ mails: MailServer) async throws {
        try await owner.client.expect(0, "invitations", "send", guest.identity, "--role", "night shift")
        let sent = try await owner.client.expect(0, "invitations")
        #expect(sent.output.contains(guest.identity) && sent.output.contains("night shift"))
        let again = try await owner.client.expect(1, "invitations", "send", guest.identity, "--role", "viewer")
        #expect(again.errors.contains("already-invited"))
        // It can be taken back, turned down, and sent again.
        try await owner.client.expect(0, "invitations", "withdraw", guest.identity)
        try await guest.client.expect(1, "invitations", "accept", "Plant 1")
        try await owner.client.expect(0, "invitations", "send", guest.identity, "--role", "night shift")
        try await guest.client.expect(0, "invitations", "reject", "Plant 1")
        try await guest.client.expect(1, "invitations", "accept", "Plant 1")
        let third = try await owner.client.expect(
            0, "invitations", "send", guest.identity, "--role", "night shift", "--expires", "2h", "--json"
        ).json()
        #expect(try await guest.client.expect(0, "invitations", "list", "--mine").output.contains("Plant 1"))

        try await guest.client.expect(1, "invitations", "accept", "--token", input: "not a token\n")
        var accepted: [String: Any] = [:]
        // The mails of the first two say nothing any more; the third's may be on its way.
        try await eventually("the third mail's token is good") {
            let token = try await token(mails, to: guest.identity, "You are invited to the domain \"Plant 1\"")
            let run = try await guest.client.run(["invitations", "accept", "--token", "--json"], input: token + "\n")
            accepted = try run.status == .exited(0) ? run.json() : [:]
            return run.status == .exited(0)
        }
        #expect(accepted["id"] as? String == third["id"] as? String)
        let members = try await owner.client.expect(0, "members", "list", "--name", "guest")
        #expect(members.output.contains("night shift") && !members.output.contains("owner"))
        try await guest.logIn(domain: "Plant 1")
    }

    private func roleIsExactlyThat(_ guest: Person) async throws {
        #expect(try await guest.client.expect(0, "things").output.contains("press-1"))
        for refused in [
            ["things", "create", "x"], ["channels"], ["members"], ["roles"], ["invitations"], ["user-groups"],
            ["roles", "create", "x", "--action", "things:read"], ["groups", "create", "x"],
            ["invitations", "send", "x@example.com", "--role", "viewer"],
        ] {
            let run = try await guest.client.run(refused)
            #expect(run.status == .exited(1), "\(run)")
        }
    }

    private func roleBecomesMoreAndLess(_ owner: Person, _ guest: Person) async throws {
        try await owner.client.expect(0, "roles", "update", "night shift", "--add", "channels:read", "--name", "nights")
        // What is given is in the next token.
        try await guest.logIn(domain: "plant-1")
        try await guest.client.expect(0, "channels")
        try await owner.client.expect(0, "roles", "update", "nights", "--remove", "channels:read")
        try await guest.sessionEnds()
        try await guest.logIn(domain: "plant-1")
        try await guest.client.expect(1, "channels")
        try await guest.client.expect(0, "things")
        #expect(try await owner.client.expect(0, "roles", "members", "nights").output.contains(guest.identity))
    }

    private func groupGivesARole(_ owner: Person, _ guest: Person) async throws {
        try await owner.client.expect(0, "user-groups", "create", "fitters")
        try await owner.client.expect(0, "user-groups", "add", "fitters", guest.identity)
        try await owner.client.expect(0, "user-groups", "set-roles", "fitters", "editor", "nights")
        let list = try await owner.client.expect(0, "user-groups")
        #expect(list.output.contains("editor, nights"))
        #expect(try await owner.client.expect(0, "user-groups", "members", "fitters").output.contains(guest.identity))
        try await guest.logIn(domain: "plant-1")
        try await guest.client.expect(0, "things", "create", "drill")
        // An editor manages nobody.
        try await guest.client.expect(1, "user-groups", "add", "fitters", owner.identity)
        try await owner.client.expect(0, "user-groups", "remove", "fitters", guest.identity)
        try await guest.sessionEnds()
        try await guest.logIn(domain: "plant-1")
        try await guest.client.expect(1, "things", "create", "lathe")
        try await owner.client.expect(0, "user-groups", "delete", "fitters")
    }

    private func removalTakesEverything(_ owner: Person, _ guest: Person) async throws {
        try await owner.client.expect(0, "members", "assign", guest.identity, "--role", "viewer")
        try await guest.sessionEnds()
        try await guest.logIn(domain: "plant-1")
        try await guest.client.expect(0, "channels")
        try await owner.client.expect(0, "members", "take", guest.identity, "--role", "nights")
        try await owner.client.expect(0, "members", "remove", guest.identity)
        try await guest.sessionEnds()
        try await guest.logIn()
        let gone = try await guest.client.expect(
            1, "domains", "use", "plant-1", "--password-stdin", input: guest.password + "\n")
        #expect(gone.errors.contains("there is no domain"))
        let nobody = try await owner.client.expect(1, "members", "assign", guest.identity, "--role", "viewer")
        #expect(nobody.errors.contains("martlet invitations send"))
        let last = try await owner.client.expect(1, "members", "remove", owner.identity)
        #expect(last.errors.contains("last-administrator"))
        try await owner.client.expect(0, "roles", "delete", "nights")
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
