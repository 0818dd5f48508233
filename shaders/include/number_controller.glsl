// The controller of a wished mean number of experts, which moves the threshold at the end of every period of tokens: a mass as
// its logit, a factor as its logarithm. Twin: engine/reference/expert_choice.
//
// Needs what policy_choice.glsl needs, which it includes.
#ifndef FOVEA_NUMBER_CONTROLLER_GLSL
#define FOVEA_NUMBER_CONTROLLER_GLSL

#include "policy_choice.glsl"

const float kThresholdGain = 1.2, kThresholdIntegralGain = 0.12;

float logit(float x) { return log(x / (1.0 - x)); }

// Tokens of the period in which a position lies; its end is a multiple of them. kRouterBlock below position 512, where much is
// still to be found out, then no more than a sixteenth of what came before and kNumberPeriod at last, since a prompt waits for
// every move.
uint number_period(uint position) { return clamp(1u << uint(max(findMSB(position / 16u), 0)), kRouterBlock, kNumberPeriod); }

// `slots`: experts that the period's tokens called. Rounds as it is written: whoever ends a period is to find the same bits.
void move_threshold(uint slots, uint period, float target, uint most, inout float threshold, inout float integral) {
  float low = COUNT == kCountMass ? logit(kLeastMass) : log(kLeastFactor);
  float high = COUNT == kCountMass ? logit(kMostMass) : log(kMostFactor);
  precise float error = target - float(slots) / float(period);
  precise float owed = integral + error;
  precise float moved = threshold + (kThresholdGain * error + kThresholdIntegralGain * owed) / float(most);
  integral = moved < low || moved > high ? 0.0 : owed;  // what cannot be reached is not owed
  threshold = clamp(moved, low, high);
}

#endif
