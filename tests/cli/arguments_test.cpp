// What the program says to arguments: help, usage mistakes (status 2), well-formed wishes that are not built (status
// 1).
#include <gtest/gtest.h>

#include "tests/cli/program.hpp"

namespace fovea::test {
namespace {

TEST(Arguments, HelpNamesEverySubcommandAndEndsWell) {
  const Outcome outcome = run({"--help"});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.err, "");
  for (const char* name : {"devices", "inspect", "tokenize", "generate", "trace", "compare", "logits", "perplexity", "passkey", "bench"})
    EXPECT_NE(outcome.out.find(name), std::string::npos) << name;
  EXPECT_NE(run({"generate", "--help"}).out.find("--repeat-last-n"), std::string::npos);
  EXPECT_EQ(run({"--version"}).out.rfind("fovea-cli ", 0), 0u);
}

TEST(Arguments, MistakesAreUsageErrors) {
  expect_usage(run({}), "subcommand");
  expect_usage(run({"frobnicate"}), "no subcommand 'frobnicate'");
  expect_usage(run({"trace", "-p", "x", "-n", "1"}), "--output");
  expect_usage(run({"generate", "-p", "x", "--frobnicate"}));
  expect_usage(run({"generate"}), "--prompt");
  expect_usage(run({"generate", "-p", "x", "-f", "y"}), "--prompt");
  expect_usage(run({"generate", "-p", "x", "-n", "many"}), "many");
  expect_usage(run({"generate", "-p", "x", "-n", "-2"}));
  expect_usage(run({"generate", "-p", "x", "--temp", "nan"}));
  expect_usage(run({"generate", "-p", "x", "--temp", "inf"}));
  expect_usage(run({"generate", "-p", "x", "--repeat-penalty", "nan"}));
  expect_usage(run({"generate", "-p", "x", "--top-p", "1.5"}), "from 0 to 1");
  expect_usage(run({"generate", "-p", "x", "--system", "y"}), "--chat");
  expect_usage(run({"generate", "-p", "x", "--record", "1"}), "LAYER,HEAD");
  expect_usage(run({"generate", "-p", "x", "--seed", "99999999999999999999"}));
  expect_usage(run({"generate", "-p", "x", "-m", ""}), "empty");
  expect_usage(run({"logits", "--tokens", "1 2 3"}), "--output");
  expect_usage(run({"logits", "--tokens", "1 x 3", "-o", "y"}), "numbers");
  expect_usage(run({"logits", "-o", "y"}), "--tokens");
  expect_usage(run({"perplexity"}), "--file");
  expect_usage(run({"perplexity", "-f", "x", "--windows", "0"}));
  expect_usage(run({"bench", "-p", "1,x"}));
  expect_usage(run({"bench", "-p", "1,-2"}));
  expect_usage(run({"bench", "-r", "0"}));
  expect_usage(run({"inspect", "a.gguf", "-m", "b.gguf"}));
}

TEST(Arguments, MalformedPoliciesAreUsageErrors) {
  for (const char* spec : {"", ":", "Dense", "dense:", "dense:a", "dense:a=", "dense:=1", "dense:a=1,,b=2",
                           "dense:a=1,a=2", "dense:a=1=2", "den se"})
    expect_usage(run({"generate", "-p", "x", "--attention", spec}), "--attention");
  expect_usage(run({"generate", "-p", "x", "--moe", "static:k=two"}), "whole number");
  expect_usage(run({"generate", "-p", "x", "--moe", "static:k=0"}), "whole number");
  expect_usage(run({"generate", "-p", "x", "--moe", "dynamic:p=1.5"}), "p is '1.5': it must be a number from 0 to 1");
  expect_usage(run({"perplexity", "-f", "x", "--against", "dynamic:balance=best"}), "off, seed, headroom, locality or price");
  expect_usage(run({"generate", "-p", "x", "--activations", "Q8_0"}), "--activations");
  expect_usage(run({"perplexity", "-f", "x", "--against", "=dense"}));
}

TEST(Arguments, PoliciesThatAreNotBuiltFailInOneSentence) {
  const Arguments start{"generate", "-m", stories_model(), "-p", "x"};
  const auto with = [&](const Arguments& more) {
    Arguments all = start;
    all.insert(all.end(), more.begin(), more.end());
    return run(all);
  };
  expect_failure(with({"--attention", "entropy:share=0.3"}), "'share'");
  expect_usage(with({"--attention", "entropy:keep=0"}), "above 0 and at most 1");
  expect_failure(with({"--attention", "sparse:k=3"}), "'k'");
  expect_failure(with({"--attention", "banana"}), "no mode 'banana'");
  expect_failure(with({"--attention", "dense:window=3"}), "'window'");
  expect_failure(with({"--moe", "dynamic:kmin=1,kmax=4"}), "not applicable: this model is dense");
  expect_failure(with({"--moe", "static:k=2"}), "dense");
  expect_failure(with({"--kv", "q4_0"}), "use --kv auto, f16, q8_0 or tiered");
  expect_failure(with({"--kv", "q8_0:hot=1"}), "'hot'");
  expect_failure(with({"--kv", "tiered:heat=0.25"}), "'heat'");
  expect_failure(with({"--activations", "q4_0"}), "use --activations auto, f32 or q8_0");
  expect_failure(with({"--activations", "q8_0:block=32"}), "'block'");
  const TemporaryFolder folder;
  expect_usage(run({"perplexity", "-m", stories_model(), "-f", folder.write("t", "text"), "--against", "tiered:hot=2"}), "hot is '2'");
}

TEST(Arguments, PolicyFilesAreReadWithSuspicion) {
  const TemporaryFolder folder;
  const auto with = [&](const std::string& content) {
    return run({"generate", "-m", stories_model(), "-p", "x", "--policy", folder.write("policy.json", content)});
  };
  expect_failure(with(""), "not JSON");
  expect_failure(with("{\"attention\":"), "not JSON");
  expect_failure(with("[]"), "not a JSON object");
  expect_failure(with("null"), "not a JSON object");
  expect_failure(with(R"({"attention":3})"), "not a string");
  expect_failure(with(R"({"banana\n\u001b[31m":"dense"})"), "unknown key");
  expect_failure(with(R"({"attention":"den se"})"), "mode[:key=value,...]");
  expect_failure(with(R"({"kv":"tiered:hot=2"})"), "hot is '2'");
  expect_failure(with(R"({"activations":"f16"})"), R"(use "activations":"auto", "f32" or "q8_0")");
  expect_failure(with(R"({"activations":8})"), "not a string");
  expect_failure(with(std::string(60'000, '[')), "not JSON");
  expect_failure(with(std::string(60'000, '[') + std::string(5'000, ']')), "not JSON");
  expect_failure(with(std::string(1 << 20, ' ')), "longer than");
  expect_failure(run({"generate", "-p", "x", "--policy", folder.file("missing.json")}), "missing.json");
  expect_failure(run({"generate", "-p", "x", "--policy", "/"}), "policy file");
}

}  // namespace
}  // namespace fovea::test
