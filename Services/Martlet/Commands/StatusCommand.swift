// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

/// `martlet status`
struct StatusCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Every service's health at a glance; succeeds only when all are up.",
        discussion: """
            up: works. warn: works, but not as it should. down: does not work, or does not answer. The exit code is 0 when all are up, 1 when a service is \
            not, 4 when the front door itself does not answer. Nobody needs to be logged in.

              martlet status
              until martlet status --json > /dev/null; do sleep 1; done
            """)

    @OptionGroup var options: GlobalOptions

    func execute(_ context: CommandContext) async throws {
        let root = try await context.client.send(APIRequest(.get, "/")).success().json()
        let services = (root["services"]?.elements ?? []).compactMap(\.text).filter { !$0.isEmpty }
        guard !services.isEmpty else {
            throw CommandFailure(
                .refused, "the front door at \(context.client.address) does not say which services there are",
                advice: "is this address Martlet's front door?")
        }
        let reports = try await withThrowingTaskGroup(of: (Int, ServiceHealth).self) { group in
            for (index, service) in services.enumerated() {
                group.addTask { (index, try await ServiceHealth.ask(service, context.client)) }
            }
            return try await group.reduce(into: []) { $0.append($1) }.sorted { $0.0 < $1.0 }.map(\.1)
        }
        show(reports, context)
        if !reports.allSatisfy({ $0.state == .up }) { throw ExitRequest(status: .refused) }
    }

    private func show(_ reports: [ServiceHealth], _ context: CommandContext) {
        let console = context.console
        if console.isJSON {
            return console.print(
                .document([
                    ("url", .string(context.client.address.description)),
                    ("status", .string((reports.map(\.state).max() ?? .up).rawValue)),
                    ("services", .array(reports.map(\.json))),
                ]))
        }
        var table = Table([
            Table.Column("SERVICE"), Table.Column("STATE"), Table.Column("LATENCY", .right), Table.Column("VERSION"),
            Table.Column("WHAT IS WRONG", isFlexible: true),
        ])
        for report in reports {
            table.append([
                Table.Cell(report.service), Table.Cell(report.state.rawValue, report.state.style),
                Table.Cell(NumberText.span(microseconds: report.latencyMicroseconds)), Table.Cell(report.version),
                Table.Cell(report.troubles.joined(separator: "; ")),
            ])
        }
        console.print(table)
    }
}
