// QCustomPlot. Its header uses Qt's keyword macros, which are off here: `slots` is an ordinary word of the engine.
#pragma once

#include <QtGlobal>
#define signals Q_SIGNALS
#define slots Q_SLOTS
#define emit Q_EMIT
#define foreach Q_FOREACH
#include <qcustomplot.h>
#undef signals
#undef slots
#undef emit
#undef foreach
