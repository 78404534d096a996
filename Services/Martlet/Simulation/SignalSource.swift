// SPDX-License-Identifier: Apache-2.0
import Foundation
import HeapModule

/// Devices that measure ``Signal``s at a rate, each at its own times.
struct SignalSource: SimulationSource {
    struct Plan: Sendable {
        var signals: [Signal]
        var devices: Int
        /// `{n}` stands for the device's number.
        var baseName: String
        /// Of each device, a second; 0: as fast as they are accepted.
        var rate: Double
        /// Over so many seconds the devices begin one after the other.
        var rampSeconds: Double
        /// 0 to 1: how much of an interval a message may be early or late.
        var jitter: Double
        /// Messages of each device; nil: no end.
        var count: Int?
        /// Nothing is due later than this; nil: no end.
        var durationSeconds: Double?
        var seed: UInt64
    }

    private struct Turn: Comparable {
        var due: Double
        var device: Int

        static func < (left: Turn, right: Turn) -> Bool { (left.due, left.device) < (right.due, right.device) }
    }

    private struct Device {
        var baseName: String
        var begin: Double
        var sent = 0
        var phase: Double
        var previous: [Double?]
        var generator: SeededGenerator
    }

    private let plan: Plan
    private let now: @Sendable () -> Double
    private var devices: [Device] = []
    private var turns = Heap<Turn>()
    /// When the first message was asked for.
    private var began: Double?

    /// - Parameter now: seconds since 1970, for the messages' own times.
    init(_ plan: Plan, now: @escaping @Sendable () -> Double = { Date().timeIntervalSince1970 }) {
        self.plan = plan
        self.now = now
        for index in 0..<plan.devices {
            var generator = SeededGenerator(seed: plan.seed &+ UInt64(index) &* 0x1_0000_0001)
            let begin = plan.rampSeconds * Double(index) / Double(max(1, plan.devices))
            devices.append(
                Device(
                    baseName: plan.baseName.replacing("{n}", with: String(index + 1)), begin: begin,
                    phase: Double.random(in: 0..<1, using: &generator),
                    previous: Array(repeating: nil, count: plan.signals.count), generator: generator))
            turns.insert(Turn(due: begin, device: index))
        }
    }

    var total: Int? {
        if let count = plan.count { return count * plan.devices }
        guard let duration = plan.durationSeconds, plan.rate > 0 else { return nil }
        return devices.reduce(0) { $0 + max(0, Int((duration - $1.begin) * plan.rate)) }
    }

    mutating func next() throws -> SimulatedMessage? {
        let began = began ?? now()
        self.began = began
        // Without a rate nothing has a time when it is due.
        if plan.rate == 0, let duration = plan.durationSeconds, now() - began >= duration { return nil }
        while let turn = turns.popMin() {
            if plan.rate > 0, let duration = plan.durationSeconds, turn.due >= duration { continue }
            if let count = plan.count, devices[turn.device].sent >= count { continue }
            return message(turn)
        }
        return nil
    }

    private mutating func message(_ turn: Turn) -> SimulatedMessage {
        var device = devices[turn.device]
        // Without a rate a signal goes on as if there were a message a second.
        let seconds = plan.rate > 0 ? turn.due - device.begin : Double(device.sent)
        var measurements: [Measurement] = []
        for (index, signal) in plan.signals.enumerated() {
            let value = signal.value(
                index: device.sent, seconds: seconds, phase: device.phase, previous: device.previous[index],
                using: &device.generator)
            device.previous[index] = value
            measurements.append(
                Measurement(name: signal.name, value: .number(NumberText.exact(value)), unit: signal.unit))
        }
        device.sent += 1
        var due = device.begin
        if plan.rate > 0 {
            due += Double(device.sent) / plan.rate
            due += plan.jitter * Double.random(in: -0.5...0.5, using: &device.generator) / plan.rate
        } else {
            // Nothing waits; the virtual clock only lets the devices take turns.
            due = turn.due.nextUp
        }
        turns.insert(Turn(due: max(due, turn.due), device: turn.device))
        devices[turn.device] = device
        let waits = plan.rate > 0 || (device.sent == 1 && device.begin > 0)
        return SimulatedMessage(
            device: turn.device, due: waits ? .seconds(turn.due) : nil, baseName: device.baseName,
            time: String(format: "%.3f", now()), measurements: measurements)
    }
}
