// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Testing

@testable import MartletCLI

/// `martlet invitations`
@Suite struct InvitationCommandTests {
    private static let place = "/domains/\(CommandFixture.domain)/invitations"
    private static let one = CommandFixture.identifiers[0]
    private static let two = CommandFixture.identifiers[1]

    private static func own(_ identifier: String, _ domain: String) -> String {
        #"{"id":"\#(identifier)","domain_id":"\#(CommandFixture.identifiers[5])","domain_name":"\#(domain)","role_id":"r"}"#
    }

    @Test(arguments: [
        ("bob@example.com", #""identity":"bob@example.com""#), (one, #""invitee_user_id":"\#(one)""#),
    ])
    func invitationsAreSent(invitee: String, member: String) async throws {
        let fixture = try CommandFixture(["POST \(Self.place)": .json(#"{"id":"i"}"#, status: 201)])
        let run = try await fixture.run(
            InvitationsCommand.Send.self, [invitee, "--role", "editor", "--expires", "72h"])
        #expect(run.requests == [#"POST \#(Self.place) {\#(member),"role":"editor","duration":"72h"}"#])
    }

    @Test func invitationsToADomainAreListed() async throws {
        let fixture = try CommandFixture([
            CommandFixture.list(Self.place): CommandFixture.page(
                "invitations", #"{"id":"i","invitee_identity":"bob@example.com","role":"viewer"}"#,
                #"{"id":"j","invitee_user_id":"\#(Self.two)","role_id":"\#(Self.one)","rejected_at":"2026-01-01"}"#),
            CommandFixture.list("/domains/\(CommandFixture.domain)/roles"): CommandFixture.page(
                "roles", #"{"id":"\#(Self.one)","name":"night shift"}"#),
        ])
        let run = try await fixture.run(InvitationsCommand.List.self, [])
        let first = run.output.split(separator: "\n")[1].split(separator: " ")
        #expect(first == ["i", "bob@example.com", "viewer"])
        #expect(run.output.contains("\(Self.two)  night shift") && run.output.contains("2026-01-01"))
    }

    @Test func withdrawalIsByEitherIdentifierOrIdentity() async throws {
        let fixture = try CommandFixture([
            "DELETE \(Self.place)/\(Self.one)": .json("", status: 204), "DELETE \(Self.place)": .json("", status: 204),
        ])
        let byID = try await fixture.run(InvitationsCommand.Withdraw.self, [Self.one])
        #expect(byID.requests == ["DELETE \(Self.place)/\(Self.one)"])
        let byUser = try await fixture.run(InvitationsCommand.Withdraw.self, [Self.two])
        #expect(byUser.requests.last == #"DELETE \#(Self.place) {"invitee_user_id":"\#(Self.two)"}"#)
        let byIdentity = try await fixture.run(InvitationsCommand.Withdraw.self, ["bob"])
        #expect(byIdentity.requests == [#"DELETE \#(Self.place) {"identity":"bob"}"#])
    }

    private func invited() throws -> CommandFixture {
        try CommandFixture([
            CommandFixture.list("/invitations"): CommandFixture.page(
                "invitations", Self.own(Self.one, "Plant 1"), Self.own(Self.two, "Plant 2"),
                #"{"id":"\#(CommandFixture.identifiers[2])","domain_name":"Plant 2"}"#),
            "POST /invitations/accept": .json(#"{"domain_id":"d"}"#),
            "POST /invitations/reject": .json("", status: 204),
        ])
    }

    @Test(arguments: ["Plant 1", one])
    func invitationIsAnswered(name: String) async throws {
        let fixture = try invited()
        let accept = try await fixture.run(InvitationsCommand.Accept.self, [name])
        #expect(accept.requests.last == #"POST /invitations/accept {"id":"\#(Self.one)"}"#)
        #expect(accept.errors.contains("martlet domains use d"))
        let reject = try await fixture.run(InvitationsCommand.Reject.self, [name])
        #expect(reject.requests.last == #"POST /invitations/reject {"id":"\#(Self.one)"}"#)
    }

    @Test(arguments: [
        ("Plant 2", "ambiguous-invitation"), ("Plant 3", "unknown-invitation"),
        (CommandFixture.identifiers[8], "unknown-invitation"),
        (CommandFixture.identifiers[5], "ambiguous-invitation"),
    ])
    func whatIsNotOneInvitationIsNotAnswered(name: String, reason: String) async throws {
        let run = try await invited().run(InvitationsCommand.Accept.self, [name])
        #expect(run.failure?.reason == reason)
        #expect(run.requests.count == 1)
    }

    @Test func tokenOfAMailIsNoArgument() async throws {
        let fixture = try invited()
        let run = try await fixture.run(InvitationsCommand.Accept.self, ["--token"], secrets: ["-t0ken"])
        #expect(run.requests == [#"POST /invitations/accept {"token":"-t0ken"}"#])
        #expect(throws: (any Error).self) { try InvitationsCommand.Accept.parse([]) }
        #expect(throws: (any Error).self) { try InvitationsCommand.Accept.parse(["x", "--token"]) }
        #expect(throws: (any Error).self) { try InvitationsCommand.List.parse(["--mine", "--domain", "x"]) }
    }

    @Test func ownInvitationsAreListed() async throws {
        let run = try await invited().run(InvitationsCommand.List.self, ["--mine"])
        #expect(run.output.contains("Plant 1") && run.output.contains("one of its own"))
    }
}
