// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestKit

/// Logins: how many a second and what they cost everybody else, what is answered beyond capacity, and whether the time of a refusal tells
/// what the refusal does not say.
struct LoginBenchmark {
    let options: BenchmarkOptions
    /// Of refusals, for each kind, in all runs together: with the cheap hash, and with the standard one.
    let rounds: Int
    let costlyRounds: Int
    /// `capacity` or `refusals`; nil: both.
    let part: String?

    private static let clientCounts = [1, 2, 8]
    /// The last more than are let wait. Measured once, not in each run: it takes ten seconds until their queue has filled and emptied.
    private static let crowds = [64, 128]
    /// What `users` lets wait for a thread or use one.
    private static let places = 64
    private static let users = (1...8).map { "user-\($0)@example.com" }
    private static let cheap = ["MARTLET_USERS_PASSWORD_COST": "10"]

    init(_ options: BenchmarkOptions) throws {
        self.options = options
        rounds = try options.number("rounds", default: 600)
        costlyRounds = try options.number("costly-rounds", default: 25)
        part = options.rest["part"]
        guard part.map({ ["capacity", "refusals"].contains($0) }) ?? true else {
            throw BenchmarkFailure(description: "--part wants capacity or refusals")
        }
    }

    func run() async throws -> BenchmarkReport {
        let machine = MachineFacts.gather()
        let stage = try await LoginStage()
        var tables: [ResultTable] = []
        if part != "refusals" { tables += [try await capacity(stage), try await failures(stage)] }
        if part != "capacity" {
            try await stage.start(Self.cheap.merging(RefusalTiming.settings) { _, new in new })
            let cheap = "Refusals, milliseconds, scrypt with N = 2^10: a 32nd of the standard cost"
            tables.append(try await refusals(stage, 11, rounds, cheap))
            try await stage.start(RefusalTiming.settings)
            let standard = "Refusals, milliseconds, scrypt with N = 2^15: the standard cost"
            tables.append(try await refusals(stage, 12, costlyRounds, standard))
        }
        try await stage.stop()
        return BenchmarkReport(
            name: "login", title: "Logins",
            method: [
                "The bus, PostgreSQL with fsync and `users` as processes; clients, server and database share the machine's cores. The limits per identity and address do not count successes, so nothing is lifted for the rate.",
                "A closed loop on each client's connection; the measurement begins when as many logins were answered as there are clients, \(Self.places) at most. Meanwhile somebody asks for /users/profile fifty times a second.",
                "Who is refused with 503 tries again after \(Int(LoginLoad.patience * 1_000)) ms, a twentieth of the Retry-After.",
                "Refusals: one request at a time on one connection, all kinds once in each round, in random order, each for an identity of its own. For them the limits are lifted (logins.per.minute, lockout.failures 100,000), each round comes from a block of addresses of its own (X-Forwarded-For, which is believed from loopback), and the failures before the one that locks are written into the database.",
                "AUC: how often such a refusal takes longer than one of the kind it is compared with (Mann and Whitney's U / n²): 0.5 when they cannot be told apart. z: by how many standard deviations that is not 0.5; |z| < 3 is noise.",
                "The hash is the same work whatever the reason (a test counts it) and varies by more than everything else takes: with a cheap one the rest is seen better.",
            ], machine: machine, tables: tables)
    }

    // MARK: Capacity

    private func capacity(_ stage: LoginStage) async throws -> ResultTable {
        var table = ResultTable(
            title: "Logins with the standard hash (scrypt, N = 2^15, r = 8, p = 3)",
            columns: [
                "clients", "logins/s", "p50 ms", "p99 ms", "users CPU ms/login", "PostgreSQL CPU ms/login", "503/s",
                "503 p50 ms", "other failures", "profile p50 ms", "profile p99 ms",
            ])
        try await stage.start()
        for user in Self.users { try await stage.register(user) }
        let token = try await stage.logIn(Self.users[0])
        for run in 1...options.runs {
            for clients in [0] + Self.clientCounts + (run == options.runs ? Self.crowds : []) {
                progress("login: run \(run) of \(options.runs), \(clients) clients")
                table.add(try await measure(clients, stage, token), to: clients == 0 ? "none" : String(clients))
            }
        }
        return table
    }

    private func measure(_ clients: Int, _ stage: LoginStage, _ token: String) async throws -> [Double] {
        let load = LoginLoad(port: stage.port, clients: clients, identities: Self.users)
        try await eventually("the first are logged in", deadline: .seconds(60)) {
            load.logins >= min(clients, Self.places)
        }
        let server = try stage.serverIdentifier()
        let before = (
            users: try ProcessUsage(of: stage.users.processIdentifier).cpuSeconds,
            server: try ProcessUsage.cpuSecondsWithChildren(of: server)
        )
        let probe = ProfileProbe(port: stage.port, token: token)
        let began = ContinuousClock.now
        load.startMeasuring()
        try await Task.sleep(for: .seconds(options.seconds(default: 3)))
        let tally = load.stopMeasuring()
        let seconds = began.duration(to: .now) / .seconds(1)
        let spent = (
            users: try ProcessUsage(of: stage.users.processIdentifier).cpuSeconds - before.users,
            server: try ProcessUsage.cpuSecondsWithChildren(of: server) - before.server
        )
        let profile = try await probe.stop()
        await load.stop()
        let count = Double(tally.logins.count)
        guard clients > 0 else {
            return Array(repeating: .nan, count: 8) + [profile.percentile(0.5), profile.percentile(0.99)]
        }
        return [
            count / seconds, tally.logins.percentile(0.5), tally.logins.percentile(0.99),
            spent.users * 1_000 / count, spent.server * 1_000 / count, Double(tally.refusals.count) / seconds,
            tally.refusals.percentile(0.5), Double(tally.failures), profile.percentile(0.5), profile.percentile(0.99),
        ]
    }

    // MARK: Failures

    /// Guesses from one address under the default limits, each for another identity, faster than they are allowed.
    private func failures(_ stage: LoginStage) async throws -> ResultTable {
        var table = ResultTable(
            title: "150 failed logins in a row from one address, each of another identity, default limits",
            columns: ["", "401 wrong-credentials", "429 rate-limit", "first Retry-After s", "seconds"])
        try await stage.start(Self.cheap)
        for run in 1...options.runs {
            progress("login: run \(run) of \(options.runs), failures from one address")
            let connection = BlockingHTTPConnection(port: stage.port)
            let began = ContinuousClock.now
            var reasons: [String: Int] = [:]
            var wait = Double.nan
            for number in 0..<150 {
                let attempt = LoginAttempt(
                    identity: "guess-\(run)-\(number)@example.com", secret: "a guess", address: "10.1.\(run).1")
                let answer = try attempt.send(on: connection).answer
                reasons["\(answer.status) \(answer.problem?.reason ?? "")", default: 0] += 1
                if answer.status == 429, wait.isNaN {
                    wait = answer.headers["retry-after"].flatMap { Double($0) } ?? .nan
                }
            }
            table.add(
                [
                    Double(reasons["401 wrong-credentials"] ?? 0), Double(reasons["429 rate-limit"] ?? 0), wait,
                    began.duration(to: .now) / .seconds(1),
                ], to: "one address")
        }
        return table
    }

    // MARK: Refusals

    private func refusals(
        _ stage: LoginStage, _ network: Int, _ rounds: Int, _ title: String
    ) async throws -> ResultTable {
        var table = ResultTable(title: title, columns: ["", "p50", "p90", "samples", "AUC", "z"])
        var timing = RefusalTiming(stage, network: network)
        try await timing.makeUsers()
        progress("login: \(rounds) rounds of refusals")
        // Statements prepared, code paged in: not counted.
        try await timing.run(rounds: 5)
        timing.forget()
        try await timing.run(rounds: rounds)
        for kind in RefusalTiming.Kind.allCases {
            let times = timing.milliseconds[kind] ?? []
            let test = kind.baseline.map { RankTest(times, against: timing.milliseconds[$0] ?? []) }
            table.add(
                [
                    times.percentile(0.5), times.percentile(0.9), Double(times.count), test?.area ?? .nan,
                    test?.z ?? .nan,
                ], to: kind.baseline.map { "\(kind.rawValue) (beside: \($0.rawValue))" } ?? kind.rawValue)
        }
        return table
    }
}
