// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

/// `martlet invitations`
struct InvitationsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "invitations", abstract: "Ask people into a domain, answer those who ask you.",
        discussion: """
              martlet invitations send bob@example.com --role editor
              martlet invitations list --mine
              martlet invitations accept 'Plant 1'
              martlet invitations accept --token < token-of-the-mail

            Who accepts works in the domain after `martlet domains use <domain>`.
            """,
        subcommands: [List.self, Send.self, Withdraw.self, Accept.self, Reject.self], defaultSubcommand: List.self)

    struct List: ClientCommand {
        static let configuration = CommandConfiguration(
            commandName: "list", abstract: "A domain's invitations, or those that you have.")
        @Flag(help: "Those that you have, to whichever domain.") var mine = false
        @OptionGroup var domain: DomainOptions
        @OptionGroup var page: PageOptions
        @OptionGroup var options: GlobalOptions

        func validate() throws {
            if mine && domain.domain != nil { throw ValidationError("--mine and --domain exclude each other.") }
        }

        func execute(_ context: CommandContext) async throws {
            if mine {
                // One who is invited cannot see the names of the domain's roles.
                let list = try await page.load("/invitations", "invitations", context)
                let role = EntityColumn("ROLES") { Table.Cell($0["role"]?.text ?? "one of its own") }
                return context.show(
                    list, "invitations",
                    [
                        .identifier, EntityColumn("DOMAIN", "domain_name", isFlexible: true), role,
                        EntityColumn("UNTIL", "expires_at"),
                    ])
            }
            let domain = try await domain.identifier(context)
            let list = try await page.load("/domains/\(domain)/invitations", "invitations", context)
            let roles = try await EntityColumn.roles(of: domain, in: list["invitations"], context)
            context.show(
                list, "invitations",
                [
                    .identifier, EntityColumn("WHO", isFlexible: true) { Table.Cell(Self.invitee($0)) }, roles,
                    EntityColumn("UNTIL", "expires_at"), EntityColumn("REJECTED", "rejected_at"),
                ])
        }

        private static func invitee(_ invitation: JSONValue) -> String? {
            invitation["invitee_identity"]?.text ?? invitation["invitee_user_id"]?.text
        }
    }

    struct Send: ClientCommand {
        static let configuration = CommandConfiguration(
            commandName: "send", abstract: "Invite somebody, with a mail where the server sends some.")
        @OptionGroup var invitee: InviteeOptions
        @Option(help: ArgumentHelp("viewer, editor, admin, or one of the domain's own.", valueName: "role"))
        var role: String
        @Option(help: ArgumentHelp("How long it is good, like 72h; a week unless given.", valueName: "duration"))
        var expires: String?
        @OptionGroup var options: GlobalOptions

        func execute(_ context: CommandContext) async throws {
            let domain = try await invitee.domain.identifier(context)
            let role = try await context.role(role, of: domain)
            let body = JSONValue.document([invitee.member, role.member, ("duration", expires.map(JSONValue.string))])
            try await context.show(answerTo: APIRequest(.post, "/domains/\(domain)/invitations", json: body))
        }
    }

    struct Withdraw: ClientCommand {
        static let configuration = CommandConfiguration(
            commandName: "withdraw", abstract: "Take an invitation back.",
            discussion: "By what it was sent to, or by its own identifier: martlet invitations list.")
        @OptionGroup var invitee: InviteeOptions
        @OptionGroup var options: GlobalOptions

        func execute(_ context: CommandContext) async throws {
            let path = "/domains/\(try await invitee.domain.identifier(context))/invitations"
            if let identifier = Reference.identifier(invitee.invitee) {
                do {
                    try await context.person(APIRequest(.delete, "\(path)/\(identifier)"))
                    return context.confirm("Withdrawn", identifier)
                } catch let failure as CommandFailure where failure.httpStatus == 404 {
                    // Then it is the user's.
                }
            }
            try await context.person(APIRequest(.delete, path, json: .document([invitee.member])))
            context.confirm("Withdrawn", invitee.invitee)
        }
    }

    struct Accept: ClientCommand {
        static let configuration = CommandConfiguration(
            commandName: "accept", abstract: "Become a member by an invitation.")
        @OptionGroup var answer: InvitationAnswer
        @OptionGroup var options: GlobalOptions

        func execute(_ context: CommandContext) async throws {
            let body = try await answer.body(context)
            let accepted = try await context.person(APIRequest(.post, "/invitations/accept", json: body)).json()
            context.show(accepted)
            let name = accepted["domain_id"]?.text ?? "<domain>"
            context.console.note("To work there: martlet domains use \(name)", .faint)
        }
    }

    struct Reject: ClientCommand {
        static let configuration = CommandConfiguration(commandName: "reject", abstract: "Turn an invitation down.")
        @OptionGroup var answer: InvitationAnswer
        @OptionGroup var options: GlobalOptions

        func execute(_ context: CommandContext) async throws {
            let body = try await answer.body(context)
            try await context.person(APIRequest(.post, "/invitations/reject", json: body))
            context.confirm("Rejected", answer.invitation ?? "the invitation")
        }
    }
}

/// Who is invited where.
struct InviteeOptions: ParsableArguments {
    @Argument(help: "What the person logs in with, or the identifier.") var invitee: String
    @OptionGroup var domain: DomainOptions

    var member: (String, JSONValue?) {
        guard let identifier = Reference.identifier(invitee) else { return ("identity", .string(invitee)) }
        return ("invitee_user_id", .string(identifier))
    }
}

/// An invitation that one has.
struct InvitationAnswer: ParsableArguments {
    @Argument(help: "The invitation's identifier, or the domain: identifier or name.") var invitation: String?
    @Flag(help: "By the token of a mail, from standard input or asked for.") var token = false

    func validate() throws {
        guard token == (invitation == nil) else { throw ValidationError("Say which invitation, or --token.") }
    }

    func body(_ context: CommandContext) async throws -> JSONValue {
        guard let invitation else {
            // An argument would be seen by every process of the machine.
            let token = try context.secret("Token of the mail: ", PasswordPrompt.isStandardInputGiven)
            return .document([("token", .string(token))])
        }
        let list = EntityList(path: "/invitations", member: "invitations", filters: [])
        let own = try await list.load(limit: 10_000) { try await context.person($0) }["invitations"]?.elements ?? []
        let identifier = Reference.identifier(invitation)
        let found = own.filter { entry in
            guard let identifier else { return entry["domain_name"]?.text == invitation }
            return entry["id"]?.text == identifier || entry["domain_id"]?.text == identifier
        }
        guard let first = found.first?["id"]?.text, found.count == 1 else {
            throw CommandFailure(
                .refused,
                "you have \(found.isEmpty ? "no invitation" : "\(found.count) invitations") to '\(invitation)'",
                advice: "martlet invitations list --mine shows which you have",
                reason: found.isEmpty ? "unknown-invitation" : "ambiguous-invitation")
        }
        return .document([("id", .string(first))])
    }
}
