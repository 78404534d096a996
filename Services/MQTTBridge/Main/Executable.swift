// SPDX-License-Identifier: Apache-2.0
import MQTTBridge
import ServiceKit

@main struct Executable { static func main() async { await ServiceRunner.main(MQTTBridge.description) } }
