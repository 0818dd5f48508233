#include "app/cli/interrupt.hpp"

#include <pthread.h>

#include <csignal>
#include <cstdlib>
#include <utility>

namespace fovea::cli {
namespace {

sigset_t watched_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  // Shells start background jobs with SIGINT ignored; that is what was asked for then.
  struct sigaction current {};
  if (sigaction(SIGINT, nullptr, &current) == 0 && current.sa_handler != SIG_IGN) sigaddset(&signals, SIGINT);
  return signals;
}

}  // namespace

Interrupt::Interrupt(std::stop_source stop) {
  const sigset_t signals = watched_signals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  waiter_ = std::thread([this, stop = std::move(stop)] { wait_for_signals(stop); });
}

Interrupt::~Interrupt() {
  leaving_ = true;
  // Addressed to the waiting thread alone, so nothing else can receive it.
  pthread_kill(waiter_.native_handle(), SIGTERM);
  waiter_.join();
}

void Interrupt::wait_for_signals(std::stop_source stop) {
  const sigset_t signals = watched_signals();
  int signal = 0;
  while (sigwait(&signals, &signal) == 0 && !leaving_) {
    if (happened_.exchange(true)) std::_Exit(kInterruptedStatus);
    stop.request_stop();
  }
}

}  // namespace fovea::cli
