// SPDX-License-Identifier: Apache-2.0
import Foundation
import Postgres

/// SenML records per second through the real `writer-postgres` beside raw COPY of the same rows into the same table.
struct WriterBenchmark {
    let options: BenchmarkOptions

    private static let columns = [
        "", "records/s", "of raw COPY %", "transactions", "client CPU µs/record", "bus CPU µs/record",
        "PostgreSQL CPU µs/record",
    ]

    init(_ options: BenchmarkOptions) { self.options = options }

    func run() async throws -> BenchmarkReport {
        let machine = MachineFacts.gather()
        let stage = try await WriterStage()
        // Schema and partitions are made, code is paged in.
        try await warmUp(stage)
        var tables: [ResultTable] = []
        for shape in WriterLoad.Shape.allCases {
            let records = try options.number(
                "records", default: shape == .packs ? 1_040_000 : 400_000)
            tables.append(try await measure(try WriterLoad(shape, recordCount: records), stage))
        }
        try await stage.stop()
        return BenchmarkReport(
            name: "writer", title: "Storing SenML in PostgreSQL",
            method: [
                "The bus's stream is filled while the writer is down; then the writer is started and timed from its first commit to its last one, by polling its position in the database every 10 ms.",
                "Raw COPY: the same rows, made ready in memory before, in binary COPY over one connection, a transaction for each \(WriterStage.rowsPerBatch) rows. Same table, partitions and indexes, emptied and checkpointed before each run; the rows of both are compared; who goes first takes turns.",
                "Both sides: fsync and synchronous_commit on, PostgreSQL set up as by `make run`, with min_wal_size at 2 GB so that neither has to make WAL files. The writer also reads the bus's log, parses SenML JSON, and moves its position in each transaction: each record is stored exactly once, whatever is killed.",
                "Server, bus, and client share the cores.",
            ], machine: machine, tables: tables)
    }

    private func warmUp(_ stage: WriterStage) async throws {
        progress("writer: warming up")
        for shape in WriterLoad.Shape.allCases {
            let load = try WriterLoad(shape, recordCount: 50_000)
            let first = try await stage.fill(load)
            _ = try await stage.runWriter(
                through: first + UInt64(load.messageCount) - 1, recordsPerMessage: shape.recordsPerMessage)
        }
    }

    private func measure(_ load: WriterLoad, _ stage: WriterStage) async throws -> ResultTable {
        var table = ResultTable(
            title: "\(load.recordCount) records in \(load.shape.title)", columns: Self.columns)
        // Once unmeasured, for the WAL files that it makes.
        for run in 0...options.runs {
            progress("writer: \(load.shape.title), run \(run) of \(options.runs)")
            let first = try await stage.fill(load)
            // Who goes first takes turns.
            let early = run % 2 == 1 ? try await runCopy(load, from: first, stage) : nil
            let writer = try await runWriter(load, from: first, stage)
            let copy = if let early { early } else { try await runCopy(load, from: first, stage) }
            guard writer.stored == copy.stored, writer.stored.rows == Int64(load.recordCount) else {
                throw BenchmarkFailure(
                    description:
                        "the writer stored \(writer.stored.rows) rows, COPY \(copy.stored.rows), not the same ones")
            }
            guard run > 0 else { continue }
            let share = 100 * rate(writer.outcome) / rate(copy.outcome)
            table.add(figures(writer.outcome, share: share), to: "writer-postgres")
            table.add(figures(copy.outcome, share: .nan), to: "raw COPY")
        }
        return table
    }

    private struct Run {
        var outcome: WriterStage.Outcome
        var stored: WriterStage.Fingerprint
    }

    private func runWriter(_ load: WriterLoad, from first: UInt64, _ stage: WriterStage) async throws -> Run {
        try await stage.empty()
        let outcome = try await stage.runWriter(
            through: first + UInt64(load.messageCount) - 1, recordsPerMessage: load.shape.recordsPerMessage)
        return Run(outcome: outcome, stored: try await stage.fingerprint())
    }

    private func runCopy(_ load: WriterLoad, from first: UInt64, _ stage: WriterStage) async throws -> Run {
        let batches = try batches(load, from: first)
        try await stage.empty()
        let outcome = try await stage.runCopy(batches)
        return Run(outcome: outcome, stored: try await stage.fingerprint())
    }

    private func batches(_ load: WriterLoad, from first: UInt64) throws -> [CopyBuffer] {
        var batches: [CopyBuffer] = []
        var batch = CopyBuffer()
        for index in 0..<load.messageCount {
            try load.append(index, sequence: first + UInt64(index), to: &batch)
            if batch.rows >= WriterStage.rowsPerBatch || index == load.messageCount - 1 {
                batches.append(batch)
                batch = CopyBuffer()
            }
        }
        return batches
    }

    private func rate(_ outcome: WriterStage.Outcome) -> Double { Double(outcome.records) / outcome.seconds }

    private func figures(_ outcome: WriterStage.Outcome, share: Double) -> [Double] {
        let records = Double(max(1, outcome.records))
        let isWriter = share.isFinite
        return [
            rate(outcome), share, Double(outcome.transactions), outcome.clientSeconds * 1e6 / records,
            isWriter ? outcome.busSeconds * 1e6 / records : .nan, outcome.serverSeconds * 1e6 / records,
        ]
    }
}
