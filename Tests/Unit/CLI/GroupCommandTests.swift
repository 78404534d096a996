// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Testing

@testable import MartletCLI

/// `martlet groups`, and roles on what is in them.
@Suite struct GroupCommandTests {
    private static let plant = CommandFixture.identifiers[0]
    private static let hall = CommandFixture.identifiers[1]
    private static let line = CommandFixture.identifiers[2]
    private static let thing = CommandFixture.identifiers[3]
    private static let channel = CommandFixture.identifiers[4]

    private static func entity(_ identifier: String, _ name: String, _ more: String = "") -> String {
        #"{"id":"\#(identifier)","name":"\#(name)"\#(more)}"#
    }

    private static func groups(_ name: String, _ level: String = "", in path: String = "/groups") -> String {
        CommandFixture.list(path, "name=\(PercentEncoding.encode(name))&\(level)")
    }

    private func fixture(_ more: [String: ScriptedServer.Answer] = [:]) throws -> CommandFixture {
        try CommandFixture(
            [
                Self.groups("plant"): CommandFixture.page("groups", Self.entity(Self.plant, "plant")),
                Self.groups("hall 4"): CommandFixture.page(
                    "groups", Self.entity(Self.hall, "hall 4"), Self.entity(Self.line, "hall 40")),
                CommandFixture.list("/things", "name=press&status=all&"): CommandFixture.page(
                    "things", Self.entity(Self.thing, "press")),
                CommandFixture.list("/domains/\(CommandFixture.domain)/users", "name=bob&"): CommandFixture.page(
                    "users", #"{"id":"\#(Self.line)","credentials":{"identity":"bob"}}"#),
            ].merging(more) { $1 })
    }

    @Test func groupIsMadeInAnother() async throws {
        let fixture = try fixture(["POST /groups": .json(#"{"id":"g"}"#, status: 201)])
        let run = try await fixture.run(
            GroupsCommand.Create.self, ["hall 4", "--parent", "plant", "--description", "the old one"])
        #expect(
            run.requests.last
                == #"POST /groups {"name":"hall 4","description":"the old one","parent_id":"\#(Self.plant)"}"#)
        let root = try await fixture.run(GroupsCommand.Create.self, ["x"])
        #expect(root.requests == [#"POST /groups {"name":"x"}"#])
    }

    /// Each hall may have a line 1.
    @Test func groupGoesByTheNamesDownToIt() async throws {
        let fixture = try fixture([
            Self.groups("line 1"): CommandFixture.page(
                "groups", Self.entity(Self.line, "line 1"), Self.entity(Self.thing, "line 1")),
            Self.groups("plant/hall 4/line 1"): CommandFixture.page("groups"),
            Self.groups("hall 4", "level=1&", in: "/groups/\(Self.plant)/children"): CommandFixture.page(
                "groups", Self.entity(Self.hall, "hall 4")),
            Self.groups("line 1", "level=1&", in: "/groups/\(Self.hall)/children"): CommandFixture.page(
                "groups", Self.entity(Self.line, "line 1")),
            "GET /groups/\(Self.line)": .json(Self.entity(Self.line, "line 1")),
            Self.groups("a/b"): CommandFixture.page("groups", Self.entity(Self.line, "a/b")),
            Self.groups("/"): CommandFixture.page("groups"), Self.groups("/line 1"): CommandFixture.page("groups"),
            Self.groups("line 1", "level=1&"): CommandFixture.page("groups", Self.entity(Self.line, "line 1")),
        ])
        let several = try await fixture.run(GroupsCommand.View.self, ["line 1"])
        #expect(several.failure?.reason == "ambiguous-group")
        let run = try await fixture.run(GroupsCommand.View.self, ["plant/hall 4/line 1"])
        #expect(run.requests.last == "GET /groups/\(Self.line)" && run.failure == nil)
        // A name may hold the sign, too.
        #expect(try await fixture.run(GroupsCommand.View.self, ["a/b"]).requests.last == "GET /groups/\(Self.line)")
        #expect(try await fixture.run(GroupsCommand.View.self, ["/"]).failure?.reason == "unknown-group")
        // Beside all others there is one.
        #expect(try await fixture.run(GroupsCommand.View.self, ["/line 1"]).requests.last == "GET /groups/\(Self.line)")
    }

    @Test func groupIsMovedAndRemoved() async throws {
        let path = "/groups/\(Self.hall)"
        let fixture = try fixture([
            "POST \(path)/parent": .json(Self.entity(Self.hall, "hall 4")),
            "DELETE \(path)/parent": .json("", status: 204), "GET \(path)": .json(Self.entity(Self.hall, "hall 4")),
            "DELETE \(path)": .json("", status: 204), "PATCH \(path)": .json("{}"),
        ])
        let into = try await fixture.run(GroupsCommand.Move.self, ["hall 4", "--to", "plant"])
        #expect(into.requests.last == #"POST \#(path)/parent {"parent_id":"\#(Self.plant)"}"#)
        let top = try await fixture.run(GroupsCommand.Move.self, ["hall 4", "--top"])
        #expect(top.requests.suffix(2) == ["DELETE \(path)/parent", "GET \(path)"])
        #expect(try await fixture.run(GroupsCommand.Delete.self, ["hall 4"]).requests.last == "DELETE \(path)")
        let changed = try await fixture.run(GroupsCommand.Update.self, ["hall 4", "--metadata", "{}"])
        #expect(changed.requests.last == #"PATCH \#(path) {"metadata":{}}"#)
        #expect(throws: (any Error).self) { try GroupsCommand.Move.parse(["x"]) }
        #expect(throws: (any Error).self) { try GroupsCommand.Move.parse(["x", "--top", "--to", "y"]) }
    }

    @Test func thingsAndChannelsComeAndGo() async throws {
        let path = "/groups/\(Self.hall)/members"
        let fixture = try fixture([
            "POST \(path)": .json("{}"), "DELETE \(path)": .json("", status: 204),
            "GET /channels/hall-4": .json(Self.entity(Self.channel, "c")),
        ])
        let all = ["hall 4", "--thing", "press", "--channel", "hall-4"]
        let bodies = [
            #"{"type":"things","members":["\#(Self.thing)"]}"#, #"{"type":"channels","members":["\#(Self.channel)"]}"#,
        ]
        let assign = try await fixture.run(GroupsCommand.Assign.self, all)
        #expect(assign.requests.suffix(2) == bodies.map { "POST \(path) \($0)" })
        let unassign = try await fixture.run(GroupsCommand.Unassign.self, all)
        #expect(unassign.requests.suffix(2) == bodies.map { "DELETE \(path) \($0)" })
        #expect(throws: (any Error).self) { try GroupsCommand.Assign.parse(["hall 4"]) }
    }

    @Test func membersAreListed() async throws {
        let path = "/groups/\(Self.hall)"
        let fixture = try fixture([
            CommandFixture.list("\(path)/things", "deep=true&"): CommandFixture.page(
                "things", Self.entity(Self.thing, "press")),
            CommandFixture.list("\(path)/channels", "tag=a&"): CommandFixture.page("channels"),
        ])
        #expect(try await fixture.run(GroupsCommand.Things.self, [Self.hall, "--deep"]).output.contains("press"))
        #expect(
            try await fixture.run(GroupsCommand.Channels.self, [Self.hall, "--tag", "a"]).errors == "No channels.\n")
    }

    private static let treeAnswer = ScriptedServer.Answer.json(
        #"{"total":4,"groups":[{"id":"1","name":"plant","children":[{"id":"2","name":"hall 4","children":[{"id":"3","name":"line 1","children":[]}]},{"id":"4","name":"hall \u001b[5","children":[]}]},{"id":"5","name":"yard","children":[]}]}"#
    )

    @Test func treeHasBranches() async throws {
        let fixture = try fixture(["GET /groups?tree=true": Self.treeAnswer])
        let run = try await fixture.run(GroupsCommand.Tree.self, [])
        #expect(
            run.output == """
                GROUP           ID
                plant           1
                ├── hall 4      2
                │   └── line 1  3
                └── hall ␛[5    4
                yard            5

                """)
        #expect(try await fixture.run(GroupsCommand.Tree.self, ["--json"]).output.contains(#""name": "line 1""#))
    }

    @Test func treeShowsWhatIsInTheGroups() async throws {
        let path = "/groups/\(Self.hall)"
        let fixture = try fixture([
            "GET \(path)/children?tree=true&level=2": .json(
                #"{"groups":[\#(Self.entity(Self.line, "line 1", #","children":[]"#))]}"#),
            "GET \(path)": .json(Self.entity(Self.hall, "hall 4")),
            CommandFixture.list("\(path)/things", "deep=true&status=all&"): CommandFixture.page(
                "things", Self.entity(Self.thing, "press", #","parent_group_id":"\#(Self.line)""#)),
            CommandFixture.list("\(path)/channels", "deep=true&status=all&"): CommandFixture.page(
                "channels", Self.entity(Self.channel, "alarms", #","parent_group_id":"\#(Self.hall)""#)),
        ])
        let run = try await fixture.run(GroupsCommand.Tree.self, ["hall 4", "--levels", "2", "--members"])
        #expect(
            run.output == """
                GROUP          KIND     ID
                hall 4         group    \(Self.hall)
                ├── alarms     channel  \(Self.channel)
                └── line 1     group    \(Self.line)
                    └── press  thing    \(Self.thing)

                """)
        let document = try await fixture.run(
            GroupsCommand.Tree.self, [Self.hall, "--levels", "2", "--members", "--json"])
        let root = try JSONParser.parse(document.output)["groups"]?.elements?.first
        #expect(root?["channels"]?.elements?.count == 1 && root?["things"]?.elements?.isEmpty == true)
    }

    @Test func emptyTreeIsNoTable() async throws {
        let fixture = try fixture(["GET /groups?tree=true": .json(#"{"total":0,"groups":[]}"#)])
        let run = try await fixture.run(GroupsCommand.Tree.self, [])
        #expect(run.output.isEmpty && run.errors == "No groups.\n")
    }

    @Test func rolesAreGivenTakenAndShown() async throws {
        let path = "/groups/\(Self.hall)"
        let fixture = try fixture([
            "POST \(path)/users/assign": .json("", status: 201), "POST \(path)/users/unassign": .json("", status: 204),
            "POST /things/\(Self.thing)/share": .json("", status: 201),
            "POST /channels/\(Self.channel)/users/unassign": .json("", status: 204),
            "GET \(path)/users": .json(
                #"{"total":1,"users":[{"user_id":"\#(Self.line)","relation":"editor","created_at":"2026-01-01"}]}"#),
            CommandFixture.list("/domains/\(CommandFixture.domain)/users"): CommandFixture.page(
                "users", #"{"id":"\#(Self.line)","credentials":{"identity":"bob"}}"#),
        ])
        let user = #"{"user_ids":["\#(Self.line)"]"#
        let share = try await fixture.run(
            Share<SharedGroup>.self, ["hall 4", "bob", "--role", "administrator"])
        #expect(share.requests.last == #"POST \#(path)/users/assign \#(user),"relation":"administrator"}"#)
        let unshare = try await fixture.run(Unshare<SharedGroup>.self, ["hall 4", "bob"])
        #expect(unshare.requests.last == "POST \(path)/users/unassign \(user)}")
        let thing = try await fixture.run(Share<SharedThing>.self, ["press", "bob", "--role", "viewer"])
        #expect(thing.requests.last == #"POST /things/\#(Self.thing)/share \#(user),"relation":"viewer"}"#)
        let channel = try await fixture.run(Unshare<SharedChannel>.self, [Self.channel, "bob"])
        #expect(channel.requests.last == "POST /channels/\(Self.channel)/users/unassign \(user)}")
        let shares = try await fixture.run(Shares<SharedGroup>.self, ["hall 4"])
        #expect(shares.output.contains("\(Self.line)  bob") && shares.output.contains("editor"))
        #expect(throws: (any Error).self) { try Share<SharedGroup>.parse(["g", "bob", "--role", "owner"]) }
    }
}
