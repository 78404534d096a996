// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Testing

@testable import MartletCLI

/// `martlet roles`, `members` and `user-groups`: names in, the API's requests out.
@Suite struct PeopleCommandTests {
    private static let place = "/domains/\(CommandFixture.domain)"
    private static let role = CommandFixture.identifiers[0]
    private static let bob = CommandFixture.identifiers[1]
    private static let eve = CommandFixture.identifiers[2]
    private static let group = CommandFixture.identifiers[3]

    private static func person(_ identifier: String, _ name: String, roles: [String] = []) -> String {
        #"{"id":"\#(identifier)","name":"\#(name)","credentials":{"identity":"\#(name.lowercased())@example.com"},"role":"none","role_ids":["\#(roles.joined(separator: "\",\""))"],"status":"enabled"}"#
            .replacing(#"[""]"#, with: "[]")
    }

    private func fixture(_ more: [String: ScriptedServer.Answer] = [:]) throws -> CommandFixture {
        let bob = CommandFixture.page("users", Self.person(Self.bob, "Bob", roles: [Self.role]))
        return try CommandFixture(
            [
                CommandFixture.list("\(Self.place)/roles"): CommandFixture.page(
                    "roles", #"{"id":"\#(Self.role)","name":"night shift","actions":["things:read"]}"#),
                CommandFixture.list("\(Self.place)/users", "name=bob%40example.com&"): bob,
                CommandFixture.list("\(Self.place)/users", "name=BOB%40example.com&"): bob,
                CommandFixture.list("\(Self.place)/users", "name=Eve&"): CommandFixture.page(
                    "users", Self.person(Self.eve, "Eve"), Self.person(Self.bob, "Evelyn")),
                CommandFixture.list("\(Self.place)/users", "name=mallory&"): CommandFixture.page("users"),
                CommandFixture.list("\(Self.place)/groups", "name=fitters&"): CommandFixture.page(
                    "groups", #"{"id":"\#(Self.group)","name":"fitters","role":"viewer","role_ids":["\#(Self.role)"]}"#),
            ].merging(more) { $1 })
    }

    // MARK: Roles

    @Test func roleIsMadeOfActions() async throws {
        let fixture = try fixture(["POST \(Self.place)/roles": .json(#"{"id":"r","name":"n"}"#, status: 201)])
        let run = try await fixture.run(
            RolesCommand.Create.self, ["n", "--action", "things:read", "--action", "messages:read"])
        #expect(
            run.requests == [#"POST \#(Self.place)/roles {"name":"n","actions":["things:read","messages:read"]}"#])
        #expect(throws: (any Error).self) { try RolesCommand.Create.parse(["n"]) }
        #expect(throws: (any Error).self) { try RolesCommand.Update.parse(["n"]) }
    }

    private static let rolePath = "\(place)/roles/\(role)"

    @Test func roleIsChangedInOrder() async throws {
        let actions = ScriptedServer.Answer.json(#"{"actions":[]}"#)
        let fixture = try fixture([
            "PUT \(Self.rolePath)": .json("{}"), "POST \(Self.rolePath)/actions": actions,
            "POST \(Self.rolePath)/actions/delete": actions, "GET \(Self.rolePath)": .json(#"{"name":"day shift"}"#),
        ])
        let run = try await fixture.run(
            RolesCommand.Update.self, ["night shift", "--name", "day shift", "--add", "a:b", "--remove", "c:d"])
        #expect(
            run.requests.dropFirst() == [
                #"PUT \#(Self.rolePath) {"name":"day shift"}"#, #"POST \#(Self.rolePath)/actions {"actions":["a:b"]}"#,
                #"POST \#(Self.rolePath)/actions/delete {"actions":["c:d"]}"#, "GET \(Self.rolePath)",
            ])
        #expect(run.output.contains("day shift"))
    }

    @Test func changeThatStopsInTheMiddleIsPartial() async throws {
        let refusal = ScriptedServer.Answer.json(
            #"{"status":403,"reason":"more-than-own-rights","detail":"no"}"#, status: 403)
        let fixture = try fixture([
            "PUT \(Self.rolePath)": .json("{}"), "POST \(Self.rolePath)/actions": refusal,
        ])
        let partial = try await fixture.run(
            RolesCommand.Update.self, ["night shift", "--name", "x", "--add", "a:b", "--remove", "c:d"])
        #expect(partial.failure?.status == .partial && partial.failure?.reason == "more-than-own-rights")
        #expect(partial.failure?.message.hasPrefix("1 of 3 changes were made, then no") == true)
        #expect(partial.requests.count == 3)
        let refused = try await fixture.run(RolesCommand.Update.self, [Self.role, "--add", "a:b"])
        #expect(refused.failure?.status == .refused)
    }

    @Test func actionsAreShownWithTheRolesThatHaveThem() async throws {
        let fixture = try fixture([
            "GET /domains/roles/available-actions": .json(
                #"{"available_actions":["things:read","users:manage"],"built_in":[{"role":"admin","actions":["things:read","users:manage"]},{"role":"viewer","actions":["things:read"]}]}"#
            )
        ])
        let run = try await fixture.run(RolesCommand.Actions.self, [])
        #expect(run.output == "ACTION        BUILT INTO\nthings:read   admin, viewer\nusers:manage  admin\n")
        #expect(run.requests == ["GET /domains/roles/available-actions"])
    }

    @Test func roleIsShownRemovedAndListed() async throws {
        let fixture = try fixture([
            "GET \(Self.rolePath)": .json(#"{"id":"r","actions":["a:b","c:d"]}"#),
            "DELETE \(Self.rolePath)": .json("", status: 204),
            CommandFixture.list("\(Self.rolePath)/members"): CommandFixture.page(
                "members", Self.person(Self.bob, "Bob")),
        ])
        #expect(try await fixture.run(RolesCommand.View.self, ["night shift"]).output.contains("a:b, c:d"))
        #expect(try await fixture.run(RolesCommand.Delete.self, [Self.role]).requests == ["DELETE \(Self.rolePath)"])
        #expect(try await fixture.run(RolesCommand.Members.self, [Self.role]).output.contains("bob@example.com"))
        #expect(try await fixture.run(RolesCommand.List.self, []).output.contains("things:read"))
        let none = try await fixture.run(RolesCommand.View.self, ["no such"])
        #expect(none.failure?.reason == "unknown-role" && none.failure?.advice?.contains("roles list") == true)
    }

    // MARK: Members

    @Test func membersAreListedWithTheNamesOfTheirRoles() async throws {
        let fixture = try fixture([
            CommandFixture.list("\(Self.place)/users", "role=none&"): CommandFixture.page(
                "users", Self.person(Self.bob, "Bob", roles: [Self.role]), Self.person(Self.eve, "Eve"))
        ])
        let run = try await fixture.run(MembersCommand.List.self, ["--role", "none"])
        let lines = run.output.split(separator: "\n")
        #expect(lines.first?.split(separator: " ") == ["ID", "IDENTITY", "NAME", "ROLES", "STATUS"])
        #expect(lines[1].contains("night shift") && !lines[2].contains("night shift"))
        // The document is the server's.
        #expect(
            try await fixture.run(MembersCommand.List.self, ["--role", "none", "--json"]).output.contains(Self.role))
    }

    @Test(arguments: [
        ("editor", #""role":"editor""#), ("night shift", #""role_id":"\#(role)""#), (role, #""role_id":"\#(role)""#),
    ])
    func rolesOfBothKindsAreAssigned(role: String, member: String) async throws {
        let fixture = try fixture(["POST \(Self.place)/users/assign": .json("", status: 201)])
        let run = try await fixture.run(
            MembersCommand.Assign.self, ["BOB@example.com", "Eve", Self.group, "--role", role])
        let users = [Self.bob, Self.eve, Self.group].joined(separator: "\",\"")
        #expect(run.requests.last == #"POST \#(Self.place)/users/assign {"user_ids":["\#(users)"],\#(member)}"#)
        #expect(run.output == "Assigned BOB@example.com, Eve, \(Self.group).\n")
    }

    @Test func whoIsNoMemberIsInvitedUnlessAnAdministratorFindsThem() async throws {
        let forbidden = ScriptedServer.Answer.json(#"{"status":403,"reason":"role-too-low"}"#, status: 403)
        let users = CommandFixture.list("/users", "identity=mallory&")
        let plain = try fixture([users: forbidden])
        let unknown = try await plain.run(MembersCommand.Assign.self, ["mallory", "--role", "viewer"])
        #expect(unknown.failure?.reason == "unknown-member")
        #expect(unknown.failure?.advice?.contains("martlet invitations send mallory") == true)
        let found = #"{"id":"\#(Self.eve)","credentials":{"identity":"mallory"}}"#
        let admin = try fixture([
            users: CommandFixture.page("users", found), "POST \(Self.place)/users/assign": .json("", status: 201),
        ])
        let assigned = try await admin.run(MembersCommand.Assign.self, ["mallory", "--role", "viewer"])
        #expect(assigned.requests.last?.contains(Self.eve) == true && assigned.failure == nil)
    }

    @Test func rolesAndMembershipsAreTaken() async throws {
        let fixture = try fixture([
            "POST \(Self.rolePath)/members/delete": .json("", status: 204),
            "POST \(Self.place)/users/unassign": .json("", status: 204),
        ])
        let take = try await fixture.run(MembersCommand.Take.self, ["bob@example.com", "--role", "night shift"])
        #expect(take.requests.last == #"POST \#(Self.rolePath)/members/delete {"user_ids":["\#(Self.bob)"]}"#)
        let remove = try await fixture.run(MembersCommand.Remove.self, ["bob@example.com"])
        #expect(remove.requests.last == #"POST \#(Self.place)/users/unassign {"user_ids":["\#(Self.bob)"]}"#)
        // Before anything is sent, everybody has to be known.
        let unknown = try await fixture.run(MembersCommand.Remove.self, ["bob@example.com", "mallory"])
        #expect(unknown.failure?.reason == "unknown-member")
        #expect(unknown.requests.allSatisfy { $0.hasPrefix("GET ") })
    }

    @Test func anotherDomainMayBeNamed() async throws {
        let other = "/domains/\(Self.group)"
        let fixture = try CommandFixture([
            CommandFixture.list("/domains", "status=all&"): CommandFixture.page(
                "domains", #"{"id":"\#(Self.group)","name":"Plant 1","route":"plant-1"}"#),
            CommandFixture.list("\(other)/users"): CommandFixture.page("users"),
        ])
        let run = try await fixture.run(MembersCommand.List.self, ["--domain", "plant-1"])
        #expect(run.requests.last == CommandFixture.list("\(other)/users"))
        #expect(run.failure == nil)
    }

    // MARK: Groups of users

    private static let groupPath = "\(place)/groups/\(group)"

    @Test func groupOfUsersIsMadeFilledAndEmptied() async throws {
        let fixture = try fixture([
            "POST \(Self.place)/groups": .json(#"{"id":"g"}"#, status: 201),
            "POST \(Self.groupPath)/users/assign": .json("", status: 204),
            "POST \(Self.groupPath)/users/unassign": .json("", status: 204),
            CommandFixture.list("\(Self.groupPath)/users"): CommandFixture.page("users", Self.person(Self.bob, "Bob")),
            "PATCH \(Self.groupPath)": .json("{}"), "DELETE \(Self.groupPath)": .json("", status: 204),
            "GET \(Self.groupPath)": .json(#"{"id":"g","role":"viewer"}"#),
        ])
        let made = try await fixture.run(UserGroupsCommand.Create.self, ["fitters", "--metadata", #"{"a":1}"#])
        #expect(made.requests == [#"POST \#(Self.place)/groups {"name":"fitters","metadata":{"a":1}}"#])
        let users = #"{"user_ids":["\#(Self.bob)","\#(Self.eve)"]}"#
        let added = try await fixture.run(UserGroupsCommand.Add.self, ["fitters", "bob@example.com", "Eve"])
        #expect(added.requests.last == "POST \(Self.groupPath)/users/assign \(users)")
        let removed = try await fixture.run(UserGroupsCommand.Remove.self, ["fitters", "bob@example.com", "Eve"])
        #expect(removed.requests.last == "POST \(Self.groupPath)/users/unassign \(users)")
        #expect(try await fixture.run(UserGroupsCommand.Members.self, ["fitters"]).output.contains("Bob"))
        #expect(try await fixture.run(UserGroupsCommand.View.self, ["fitters"]).output.contains("viewer"))
        let renamed = try await fixture.run(UserGroupsCommand.Update.self, ["fitters", "--name", "x"])
        #expect(renamed.requests.last == #"PATCH \#(Self.groupPath) {"name":"x"}"#)
        #expect(
            try await fixture.run(UserGroupsCommand.Delete.self, ["fitters"]).requests.last
                == "DELETE \(Self.groupPath)")
        let list = try await fixture.run(UserGroupsCommand.List.self, ["--name", "fitters"])
        #expect(list.output.contains("viewer, night shift"))
    }

    @Test func rolesOfAGroupAreSetAsAWhole() async throws {
        let fixture = try fixture(["PUT \(Self.groupPath)/roles": .json("{}")])
        let set = try await fixture.run(UserGroupsCommand.SetRoles.self, ["fitters", "night shift", "viewer"])
        #expect(
            set.requests.last == #"PUT \#(Self.groupPath)/roles {"role":"viewer","role_ids":["\#(Self.role)"]}"#)
        let none = try await fixture.run(UserGroupsCommand.SetRoles.self, ["fitters", "--none"])
        #expect(none.requests.last == #"PUT \#(Self.groupPath)/roles {"role_ids":[]}"#)
    }

    @Test(arguments: [["g"], ["g", "viewer", "--none"], ["g", "viewer", "admin"], []])
    func rolesOfAGroupAreSaidClearly(arguments: [String]) {
        #expect(throws: (any Error).self) { try UserGroupsCommand.SetRoles.parse(arguments) }
    }
}
