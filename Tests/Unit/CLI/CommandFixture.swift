// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Foundation
import Synchronization
import TestKit

@testable import MartletCLI

/// A command as the program runs it, against a server that answers as a test says.
struct CommandFixture {
    /// Where the token that is used acts.
    static let domain = "01890a5d-ac96-774b-bcce-b302099a8057"
    static let identifiers = (1...9).map { "01890a5d-ac96-774b-bcce-00000000000\($0)" }

    let server: ScriptedServer
    let store: ProfileStore
    private let directory: TemporaryDirectory

    /// What a run said, and what it asked for.
    struct Run {
        var output: String
        var errors: String
        var failure: CommandFailure?
        /// `METHOD target`, with the body behind it where there is one.
        var requests: [String]
    }

    /// - Parameter answers: by `METHOD target`; whatever else is asked for is not found.
    init(_ answers: [String: ScriptedServer.Answer]) throws {
        directory = try TemporaryDirectory("command")
        store = ProfileStore(directory: directory.file("martlet"))
        server = try ScriptedServer { request in
            answers["\(request.method) \(request.target)"]
                ?? .json(#"{"status":404,"reason":"unscripted","detail":"nothing is there"}"#, status: 404)
        }
    }

    /// - Parameters:
    ///   - secrets: what is typed where something is asked for that must not be seen, in order.
    ///   - token: nil for the profile's login.
    /// - Throws: what the argument parser does not take; refusals are part of the run.
    func run<Command: ClientCommand>(
        _: Command.Type, _ arguments: [String], secrets: [String] = [], token: String? = Self.token()
    ) async throws -> Run {
        var environment = ["XDG_CONFIG_HOME": directory.path, "MARTLET_URL": server.url]
        environment["MARTLET_TOKEN"] = token
        let command = try Command.parse(arguments)
        let (written, typed) = (Written(), Typed(secrets))
        var context = try CommandContext(command.options, environment: environment)
        context.console.sink = { text, descriptor in written.append(text, to: descriptor) }
        context.secret = { _, _ in try typed.next() }
        let before = server.requests.count
        var failure: CommandFailure?
        do { try await command.execute(context) } catch let error as CommandFailure { failure = error }
        await context.client.shutdown()
        let requests = server.requests.dropFirst(before).map { request in
            "\(request.method) \(request.target)\(request.body.isEmpty ? "" : " \(request.body)")"
        }
        return Run(output: written.text(1), errors: written.text(2), failure: failure, requests: requests)
    }

    private final class Written: Sendable {
        private let texts = Mutex<[Int32: String]>([:])

        func append(_ text: String, to descriptor: Int32) {
            texts.withLock { $0[descriptor, default: ""] += text }
        }

        func text(_ descriptor: Int32) -> String { texts.withLock { $0[descriptor] ?? "" } }
    }

    private final class Typed: Sendable {
        private let rest: Mutex<[String]>

        init(_ secrets: [String]) { rest = Mutex(secrets) }

        func next() throws -> String {
            guard let next = rest.withLock({ $0.isEmpty ? nil : $0.removeFirst() }) else {
                throw CommandFailure.usage("nothing was typed")
            }
            return next
        }
    }

    /// An access token for ``domain``.
    static func token(_ claims: String = #"{"dom":"\#(Self.domain)","role":"admin"}"#) -> String {
        "e30.\(Data(claims.utf8).base64EncodedString().replacing("=", with: "")).signature"
    }

    /// A page of a list with everything in it.
    static func page(_ member: String, _ elements: String...) -> ScriptedServer.Answer {
        .json(#"{"total":\#(elements.count),"offset":0,"\#(member)":[\#(elements.joined(separator: ","))]}"#)
    }

    /// A list's request: its first page, as commands that look names up send it.
    static func list(_ path: String, _ filters: String = "") -> String { "GET \(path)?\(filters)offset=0&limit=100" }
}
