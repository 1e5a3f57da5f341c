import Testing
import UVLoop

@Suite struct `The event loop` {
  @Test func `runs posted work in order on its own thread and stops when asked`() async throws {
    let loop = EventLoop()
    loop.start()
    #expect(!loop.isOnLoop)
    #expect(try await loop.run { loop.isOnLoop })
    let order = Order()
    for i in 0..<100 { loop.post { order.values.append(i) } }
    #expect(try await loop.run { order.values } == Array(0..<100))
    loop.stop()
  }

  @Test func `fires a timer and then lets go of it`() async throws {
    let loop = EventLoop()
    loop.start()
    await withCheckedContinuation { (done: CheckedContinuation<Void, Never>) in
      loop.post {
        let timer = LoopTimer(loop)
        timer.start(after: .milliseconds(1)) {
          timer.close()
          done.resume()
        }
      }
    }
    loop.stop()
  }

  @Test func `gives a child an empty environment, descriptor 3 and a way to tell how it ended`() async throws {
    let loop = EventLoop()
    loop.start()
    let seen = Order()
    await withCheckedContinuation { (done: CheckedContinuation<Void, Never>) in
      loop.post {
        func step() {
          seen.values.append(1)
          if seen.values.count == 2 { done.resume() }
        }
        // The shell tells what it sees; `read` proves that descriptor 3 carries bytes both ways.
        let child = try! ChildProcess(
          loop, program: "/bin/sh", arguments: ["-c", "read line <&3; echo \"got $line $HOME\" >&3; exit 7"]
        ) { ending in
          seen.ending = ending
          step()
        }
        child.channel.read(
          received: { seen.bytes += $0 },
          ended: {
            child.channel.close()
            child.errorOutput.close()
            step()
          })
        child.channel.write(Array("hello\n".utf8))
      }
    }
    #expect(seen.ending == .exited(code: 7))
    #expect(String(decoding: seen.bytes, as: UTF8.self) == "got hello \n")
    loop.stop()
  }

  @Test func `names the program that cannot be started`() async throws {
    let loop = EventLoop()
    loop.start()
    await #expect(throws: SpawnError(program: "/nowhere", reason: "no such file or directory")) {
      try await loop.run { _ = try ChildProcess(loop, program: "/nowhere", arguments: []) { _ in } }
    }
    loop.stop()
  }
}

/// Written on the loop only.
final class Order: @unchecked Sendable {
  var values: [Int] = []
  var bytes: [UInt8] = []
  var ending: ChildProcess.Ending?
}
