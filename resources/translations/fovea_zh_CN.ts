<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="zh_CN">
<context>
    <name>fovea::AdaptationView</name>
    <message>
        <source>auto: what suits the device</source>
        <translation>自动：适合设备的方式</translation>
    </message>
    <message>
        <source>auto</source>
        <translation>自动</translation>
    </message>
    <message>
        <source>%1: KV %2, %3 in all</source>
        <translation>%1：KV %2，共 %3</translation>
    </message>
    <message>
        <source>&amp;KV cache</source>
        <translation>KV 缓存(&amp;K)</translation>
    </message>
    <message>
        <source>Acti&amp;vations</source>
        <translation>激活值(&amp;V)</translation>
    </message>
    <message>
        <source>How keys and values are kept; the estimates are derived, for the whole context</source>
        <translation>键和值的保存方式；估算由形状推得，按整个上下文计</translation>
    </message>
    <message>
        <source>What decoding multiplies weights in blocks with</source>
        <translation>解码时与分块权重相乘的数的类型</translation>
    </message>
    <message>
        <source>Open &amp;again</source>
        <translation>重新打开(&amp;A)</translation>
    </message>
    <message>
        <source>Read the model anew with these choices</source>
        <translation>按这些选择重新读取模型</translation>
    </message>
    <message>
        <source>For the open model, read anew, and those opened later. Below: what this load took because of its device, and why.</source>
        <translation>用于重新读取的当前模型和以后打开的模型。下面是本次加载因设备而采用的方式及原因。</translation>
    </message>
</context>
<context>
    <name>fovea::AttentionMap</name>
    <message>
        <source>query %1 %2
key %3 %4</source>
        <translation>查询 %1 %2
键 %3 %4</translation>
    </message>
    <message>
        <source>%1
cannot see it: the key comes later</source>
        <translation>%1
看不到：键在查询之后</translation>
    </message>
    <message>
        <source>%1
not recorded</source>
        <translation>%1
未记录</translation>
    </message>
    <message>
        <source>%1
weight %2</source>
        <translation>%1
权重 %2</translation>
    </message>
    <message>
        <source>keys →</source>
        <translation>键 →</translation>
    </message>
    <message>
        <source>queries ↓</source>
        <translation>查询 ↓</translation>
    </message>
    <message>
        <source>%1
page %2: a sink</source>
        <translation>%1
第 %2 页：汇聚页</translation>
    </message>
    <message>
        <source>%1
page %2: in the window</source>
        <translation>%1
第 %2 页：窗口内</translation>
    </message>
    <message>
        <source>%1
page %2: chosen</source>
        <translation>%1
第 %2 页：已选中</translation>
    </message>
    <message>
        <source>%1
page %2: not attended</source>
        <translation>%1
第 %2 页：未关注</translation>
    </message>
    <message>
        <source>kept as f16</source>
        <translation>以 f16 保存</translation>
    </message>
    <message>
        <source>kept as a far page, or a hot one: not told yet</source>
        <translation>以远页或热页保存：尚未告知</translation>
    </message>
    <message>
        <source>kept as a hot page now</source>
        <translation>现为热页</translation>
    </message>
    <message>
        <source>kept as a far page now</source>
        <translation>现为远页</translation>
    </message>
</context>
<context>
    <name>fovea::AttentionPanel</name>
    <message>
        <source>Attention weight, logarithmic</source>
        <translation>注意力权重，对数刻度</translation>
    </message>
    <message>
        <source>Attention weight, linear</source>
        <translation>注意力权重，线性刻度</translation>
    </message>
    <message>
        <source>%1, relative to the largest of its row</source>
        <translation>%1，相对于本行最大值</translation>
    </message>
    <message>
        <source>No model is open</source>
        <translation>尚未打开模型</translation>
    </message>
    <message>
        <source>Attention appears here when a model has read a prompt.</source>
        <translation>模型读入提示后，注意力会显示在这里。</translation>
    </message>
    <message>
        <source>Nothing has run yet</source>
        <translation>尚未运行</translation>
    </message>
    <message>
        <source>Run a prompt: each row of the map is a token, each column one that it looks at.</source>
        <translation>运行一段提示：图中每一行是一个词元，每一列是它所关注的词元。</translation>
    </message>
    <message>
        <source>Layer %1, head %2 was not recorded</source>
        <translation>第 %1 层第 %2 头未记录</translation>
    </message>
    <message>
        <source>What is not recorded is not known; it is not zero. Recording it runs the prompt again with the same seed, so that the text stays the same.</source>
        <translation>未记录就是未知，而不是零。记录它需要以相同的种子重新运行提示，文本保持不变。</translation>
    </message>
    <message>
        <source>Record this head</source>
        <translation>记录此注意力头</translation>
    </message>
    <message>
        <source>La&amp;yer</source>
        <translation>层(&amp;Y)</translation>
    </message>
    <message>
        <source>Hea&amp;d</source>
        <translation>头(&amp;D)</translation>
    </message>
    <message>
        <source>&amp;Log</source>
        <translation>对数(&amp;L)</translation>
    </message>
    <message>
        <source>Logarithmic scale: shows small weights beside large ones</source>
        <translation>对数刻度：大小权重同时可见</translation>
    </message>
    <message>
        <source>Per ro&amp;w</source>
        <translation>按行(&amp;W)</translation>
    </message>
    <message>
        <source>Weights relative to the largest of their row</source>
        <translation>权重相对于本行最大值</translation>
    </message>
    <message>
        <source>Fit ran&amp;ge</source>
        <translation>适配范围(&amp;G)</translation>
    </message>
    <message>
        <source>Reset view</source>
        <translation>重置视图</translation>
    </message>
    <message>
        <source>Show the whole map (double-click on the map, or 0)</source>
        <translation>显示整张图（双击图，或按 0）</translation>
    </message>
    <message>
        <source>Heads: layers down, heads across</source>
        <translation>注意力头：纵向为层，横向为头</translation>
    </message>
    <message>
        <source>Attention map: queries down, keys to the right</source>
        <translation>注意力图：纵向为查询，横向为键</translation>
    </message>
    <message>
        <source>Range of the colour scale</source>
        <translation>色标范围</translation>
    </message>
    <message>
        <source>Drag the handles; arrow keys move one, up and down switch, Enter fits</source>
        <translation>拖动滑块；左右键移动，上下键切换滑块，回车自动适配</translation>
    </message>
    <message>
        <source>Set the range to nearly all weights in view, outliers left out (double-click on the bar)</source>
        <translation>把范围设为涵盖几乎所有可见权重，忽略离群值（双击色条）</translation>
    </message>
    <message>
        <source>Choices of pages were not recorded: choose what to record beside the prompt.</source>
        <translation>页的选择未记录：请在提示旁选择要记录的内容。</translation>
    </message>
    <message>
        <source>Read %1 of what dense attention reads, with %2 of its operations; %3 of the choices had to take everything.</source>
        <translation>读取量为稠密注意力的 %1，运算量为其 %2；%3 的选择只能全部读取。</translation>
    </message>
    <message>
        <source>Map: weights</source>
        <translation>图：权重</translation>
    </message>
    <message>
        <source>Map: weights and mask</source>
        <translation>图：权重与掩码</translation>
    </message>
    <message>
        <source>Map: mask alone</source>
        <translation>图：仅掩码</translation>
    </message>
    <message>
        <source>Hatched keys were not attended; the red bar behind a row is as long as the share of attention that was lost</source>
        <translation>斜线表示未关注的键；行尾红条的长度是丢失的注意力占比</translation>
    </message>
    <message>
        <source>What the map shows</source>
        <translation>图中显示的内容</translation>
    </message>
    <message>
        <source>Heads: small maps</source>
        <translation>各头：缩略图</translation>
    </message>
    <message>
        <source>Heads: recall, %</source>
        <translation>各头：召回率 %</translation>
    </message>
    <message>
        <source>Heads: entropy, %</source>
        <translation>各头：熵 %</translation>
    </message>
    <message>
        <source>Recall: the share of dense attention on the pages read, over the measured rows.
Entropy: 100 is even attention, 0 is all on one key.</source>
        <translation>召回率：测量的各行中，稠密注意力落在已读页上的占比。
熵：100 表示注意力均匀，0 表示全部集中在一个键上。</translation>
    </message>
    <message>
        <source>What the grid of heads shows</source>
        <translation>各头网格显示的内容</translation>
    </message>
    <message>
        <source>The row, page by page</source>
        <translation>该行逐页的情况</translation>
    </message>
    <message>
        <source>Layer %1 kept %2 of dense attention; the best choice of as many pages would keep %3.</source>
        <translation>第 %1 层保留了稠密注意力的 %2；同样页数的最佳选择可保留 %3。</translation>
    </message>
    <message>
        <source>%1 of its rows are nearly even: %2 kept there.</source>
        <translation>其中 %1 的行接近均匀：那里保留 %2。</translation>
    </message>
    <message>
        <source>f16</source>
        <translation>f16</translation>
    </message>
    <message>
        <source>Pages of layer %1 now:</source>
        <translation>第 %1 层现有的页：</translation>
    </message>
    <message>
        <source>Map: tiers of the KV cache</source>
        <translation>图：KV 缓存的分级</translation>
    </message>
    <message>
        <source>hot</source>
        <translation>热页</translation>
    </message>
    <message>
        <source>far</source>
        <translation>远页</translation>
    </message>
    <message>
        <source>far&amp;nbsp;or&amp;nbsp;hot&amp;nbsp;%1</source>
        <translation>远页或热页&amp;nbsp;%1</translation>
    </message>
    <message>
        <source>A page is %1 keys. f16: the start and the window. Behind it pages are far, in 4 to 8 bits; the values of hot ones, where attention is most, keep 8.
In the map a row&apos;s f16 pages are those that it found; which far pages were hot before is not recorded, so they have the hue of now.</source>
        <translation>一页为 %1 个键。f16：开头与窗口。窗口之后为远页，4 到 8 位；注意力最多处为热页，其值保留 8 位。
图中每一行的 f16 页就是该行读取时的情形；远页先前是否为热页并未记录，故按现在的情形着色。</translation>
    </message>
</context>
<context>
    <name>fovea::AttentionPolicyForm</name>
    <message>
        <source>%1 keys</source>
        <translation>%1 个键</translation>
    </message>
    <message>
        <source>up to %1 %</source>
        <translation>至多 %1 %</translation>
    </message>
    <message>
        <source>all alike</source>
        <translation>各层相同</translation>
    </message>
    <message>
        <source>auto: %1</source>
        <translation>自动：%1</translation>
    </message>
    <message>
        <source>Attention</source>
        <translation>注意力</translation>
    </message>
    <message>
        <source>&amp;Dense</source>
        <translation>稠密(&amp;D)</translation>
    </message>
    <message>
        <source>Every query reads all keys before it</source>
        <translation>每个查询读取它之前的所有键</translation>
    </message>
    <message>
        <source>&amp;Sparse</source>
        <translation>稀疏(&amp;S)</translation>
    </message>
    <message>
        <source>A query reads the nearest keys, the first ones, and of the pages between them those that promise most</source>
        <translation>查询读取最近的键、最前的键，以及两者之间最有希望的页</translation>
    </message>
    <message>
        <source>&amp;Window</source>
        <translation>窗口(&amp;W)</translation>
    </message>
    <message>
        <source>Positions up to the query&apos;s own that are always read</source>
        <translation>直到查询自身位置、总会读取的位置数</translation>
    </message>
    <message>
        <source>S&amp;hare of the rest</source>
        <translation>其余占比(&amp;H)</translation>
    </message>
    <message>
        <source>How much of the pages behind the window is read; of an adaptive budget the most</source>
        <translation>窗口之外的页读取多少；预算自适应时为上限</translation>
    </message>
    <message>
        <source>S&amp;corer</source>
        <translation>评分方式(&amp;C)</translation>
    </message>
    <message>
        <source>By what the attention on a page is estimated</source>
        <translation>用什么估计一页上的注意力</translation>
    </message>
    <message>
        <source>Dense &amp;layers</source>
        <translation>稠密层数(&amp;L)</translation>
    </message>
    <message>
        <source>The first layers, which read everything; auto: none, but the second reads three times the share, up to three quarters</source>
        <translation>最前面读取全部的层；自动：没有这样的层，但第二层读取三倍的份额，至多四分之三</translation>
    </message>
    <message>
        <source>Dense &amp;below</source>
        <translation>全读下限(&amp;B)</translation>
    </message>
    <message>
        <source>Queries that see fewer keys read everything</source>
        <translation>可见键少于此数的查询读取全部内容</translation>
    </message>
    <message>
        <source>Shares by layer</source>
        <translation>各层比例</translation>
    </message>
    <message>
        <source>Shares of the first layers&apos; own, from the first on, with / between them, as 0.5/1; 1 is everything, and no other layer is dense then</source>
        <translation>从第一层起各层自己的比例，以 / 分隔，如 0.5/1；1 表示全部，此时没有其他稠密层</translation>
    </message>
    <message>
        <source>First positions</source>
        <translation>起始位置</translation>
    </message>
    <message>
        <source>The first positions of the text, which are always read</source>
        <translation>文本最前面的位置，始终读取</translation>
    </message>
    <message>
        <source>Budget</source>
        <translation>预算</translation>
    </message>
    <message>
        <source>Every choice gets the same share of the pages, or as few pages as hold the wished share of attention</source>
        <translation>每次选择读取相同比例的页，或读取足以包含所需注意力的最少页数</translation>
    </message>
    <message>
        <source>Attention to hold</source>
        <translation>要包含的注意力</translation>
    </message>
    <message>
        <source>An adaptive choice ends where the pages read hold this share of the attention, as estimated</source>
        <translation>自适应的选择读到估计的注意力达到此比例为止</translation>
    </message>
    <message>
        <source>At least</source>
        <translation>至少</translation>
    </message>
    <message>
        <source>The share of the pages that an adaptive choice reads at any rate</source>
        <translation>自适应的选择无论如何都读取的页的比例</translation>
    </message>
    <message>
        <source>Mean share</source>
        <translation>平均比例</translation>
    </message>
    <message>
        <source>A controller moves the attention to hold until each layer reads this share of its pages on average</source>
        <translation>控制器调整要包含的注意力，使每层平均读取此比例的页</translation>
    </message>
    <message>
        <source>Heads</source>
        <translation>注意力头</translation>
    </message>
    <message>
        <source>Heads whose attention is spread read more pages and sharp ones fewer, the sum being the same; or each its even part</source>
        <translation>注意力分散的头多读几页，集中的头少读几页，总数不变；或各头均分</translation>
    </message>
    <message>
        <source>Widen to</source>
        <translation>放宽到</translation>
    </message>
    <message>
        <source>A choice whose attention is nearly even may read this share of the pages where that is more</source>
        <translation>注意力接近均匀的选择可以读取此比例的页（若更多）</translation>
    </message>
    <message>
        <source>… where above</source>
        <translation>…当高于</translation>
    </message>
    <message>
        <source>What counts as nearly even: the attention&apos;s entropy over the logarithm of the keys, 1 being even</source>
        <translation>何谓接近均匀：注意力的熵除以键数的对数，1 为完全均匀</translation>
    </message>
    <message>
        <source>Prompt choice for</source>
        <translation>提示的选择供</translation>
    </message>
    <message>
        <source>Queries of a prompt that share a choice, of the first layers, from the first on, with / between them, as 1/8/8: 16, 8, 4, 2 or 1; the others 16. Fewer choose better and cost a prompt more lists</source>
        <translation>提示中共用一次选择的查询数，从第一层起，用 / 分隔，如 1/8/8：可为 16、8、4、2 或 1；其余各层为 16。数目越少，选择越准，但提示需要的列表越多</translation>
    </message>
    <message>
        <source>… by</source>
        <translation>…依据</translation>
    </message>
    <message>
        <source>By how many of these queries the choice is made, of the first layers as above: 4, 2 or 1; the others 4</source>
        <translation>由其中多少个查询作出选择，各层写法同上：可为 4、2 或 1；其余各层为 4</translation>
    </message>
    <message>
        <source>Decoding chooses</source>
        <translation>解码时的选择</translation>
    </message>
    <message>
        <source>A decoded token&apos;s pages are chosen by the queries of the token before, for all layers at once; or by its own, layer by layer, which waits for every choice</source>
        <translation>解码词元的页由前一词元的查询为所有层一次选定；或由它自己的查询逐层选择，每次选择都要等待</translation>
    </message>
    <message>
        <source>… for</source>
        <translation>…供</translation>
    </message>
    <message>
        <source>The tokens behind one that chooses ahead read the same pages: fewer choices, older pages; auto: as many as make a choice pay on this device</source>
        <translation>提前选择之后的若干词元读取同样的页：选择更少，页更旧；自动：在此设备上让选择划算的词元数</translation>
    </message>
    <message>
        <source>Decoded tokens that see fewer keys read everything; auto: as few as make a choice pay on this device</source>
        <translation>看到的键少于此数的解码词元读取全部；自动：在此设备上选择开始划算的键数</translation>
    </message>
    <message>
        <source>Periphery</source>
        <translation>余光</translation>
    </message>
    <message>
        <source>Where attention is flat, pages that are not read take part with their mean values; not with the scorer quest</source>
        <translation>注意力平坦处，未读的页以其平均值参与；评分方式为 quest 时不可用</translation>
    </message>
    <message>
        <source> keys</source>
        <translation> 个键</translation>
    </message>
    <message>
        <source>auto</source>
        <translation>自动</translation>
    </message>
    <message>
        <source>free</source>
        <translation>不限</translation>
    </message>
    <message>
        <source>off</source>
        <translation>关闭</translation>
    </message>
    <message>
        <source>auto: the means of its halves</source>
        <translation>auto：前后两半的平均键</translation>
    </message>
    <message>
        <source>quest: their upper bound</source>
        <translation>quest：键的上界</translation>
    </message>
    <message>
        <source>mean: their mean</source>
        <translation>mean：键的均值</translation>
    </message>
    <message>
        <source>strict: the same share</source>
        <translation>strict：相同比例</translation>
    </message>
    <message>
        <source>adaptive: as few as hold it</source>
        <translation>adaptive：够用的最少页</translation>
    </message>
    <message>
        <source>by entropy</source>
        <translation>按熵</translation>
    </message>
    <message>
        <source>even</source>
        <translation>均分</translation>
    </message>
    <message>
        <source>one token</source>
        <translation>一个词元</translation>
    </message>
    <message>
        <source>%1 tokens</source>
        <translation>%1 个词元</translation>
    </message>
    <message>
        <source>ahead: by the token before</source>
        <translation>ahead：由前一词元</translation>
    </message>
    <message>
        <source>own: by the token itself</source>
        <translation>own：由词元自己</translation>
    </message>
    <message>
        <source>off: nothing of the rest</source>
        <translation>off：不看其余</translation>
    </message>
    <message>
        <source>means: the rest&apos;s mean values</source>
        <translation>means：其余页的平均值</translation>
    </message>
    <message>
        <source>Layer 1 reads %1, three times this up to three quarters, since dense layers are auto.</source>
        <translation>第 1 层读取 %1，为此值的三倍，至多四分之三：“稠密层数”为自动。</translation>
    </message>
    <message>
        <source>Not used: all layers are dense layers.</source>
        <translation>未使用：所有层都是稠密层。</translation>
    </message>
    <message>
        <source>Of the layers behind the first %1, which read everything.</source>
        <translation>用于前 %1 层之后的层；前 %1 层读取全部。</translation>
    </message>
    <message>
        <source>Not used: every layer has a share of its own (More: Shares by layer).</source>
        <translation>未使用：每一层都有自己的比例（见“更多”中的“各层比例”）。</translation>
    </message>
    <message>
        <source>Of the layers behind the first %1, which read %2 (More: Shares by layer).</source>
        <translation>用于前 %1 层之后的层；前 %1 层读取 %2（见“更多”中的“各层比例”）。</translation>
    </message>
    <message>
        <source>… dense below</source>
        <translation>…稠密下限</translation>
    </message>
</context>
<context>
    <name>fovea::Banner</name>
    <message>
        <source>&amp;Copy</source>
        <translation>复制(&amp;C)</translation>
    </message>
    <message>
        <source>Copy this sentence</source>
        <translation>复制这句话</translation>
    </message>
    <message>
        <source>Put this message away (Esc)</source>
        <translation>收起此消息（Esc）</translation>
    </message>
    <message>
        <source>Close</source>
        <translation>关闭</translation>
    </message>
</context>
<context>
    <name>fovea::CalibrationDialog</name>
    <message>
        <source>Choose a text</source>
        <translation>选择文本</translation>
    </message>
    <message>
        <source>Texts (*.txt *.md);;All files (*)</source>
        <translation>文本 (*.txt *.md);;所有文件 (*)</translation>
    </message>
    <message>
        <source>The folder %1 cannot be made: prices would find no place.</source>
        <translation>无法创建文件夹 %1：价格无处可存。</translation>
    </message>
    <message>
        <source>Waiting for the engine</source>
        <translation>等待引擎</translation>
    </message>
    <message>
        <source>Stopped; the policy is as it was.</source>
        <translation>已停止；策略保持原样。</translation>
    </message>
    <message>
        <source>No model is open.</source>
        <translation>没有打开模型。</translation>
    </message>
    <message>
        <source>Not applicable: the model is dense.</source>
        <translation>不适用：该模型是稠密模型。</translation>
    </message>
    <message>
        <source>The policy already moves choices by load: set the balance to off first.</source>
        <translation>策略已按负载调整选择：请先关闭均衡。</translation>
    </message>
    <message>
        <source>%1 layers reached the CV</source>
        <translation>%1 层达到了 CV</translation>
    </message>
    <message>
        <source>%1 were held back so that enough mass is kept</source>
        <translation>%1 层为保留足够的质量而收敛</translation>
    </message>
    <message>
        <source>for %1 the text was too short</source>
        <translation>%1 层因文本太短而未完成</translation>
    </message>
    <message>
        <source>Of %1 layers: %2.</source>
        <translation>共 %1 层：%2。</translation>
    </message>
    <message>
        <source>; </source>
        <translation>；</translation>
    </message>
    <message>
        <source>Held out, mean of the layers</source>
        <translation>留出文本，各层平均</translation>
    </message>
    <message>
        <source>without</source>
        <translation>无价格</translation>
    </message>
    <message>
        <source>with the prices</source>
        <translation>有价格</translation>
    </message>
    <message>
        <source>change</source>
        <translation>变化</translation>
    </message>
    <message>
        <source>CV of the load</source>
        <translation>负载的 CV</translation>
    </message>
    <message>
        <source>CV of the most uneven layer</source>
        <translation>最不均匀层的 CV</translation>
    </message>
    <message>
        <source>Utilization U</source>
        <translation>利用率 U</translation>
    </message>
    <message>
        <source>Entropy H</source>
        <translation>熵 H</translation>
    </message>
    <message>
        <source>Router mass kept</source>
        <translation>保留的路由质量</translation>
    </message>
    <message>
        <source>Perplexity</source>
        <translation>困惑度</translation>
    </message>
    <message>
        <source>Learned from %1 tokens of %2, measured on %3 others of it. The prices are in %4</source>
        <translation>从 %2 的 %1 个词元学得，在其另外 %3 个词元上测量。价格保存在 %4</translation>
    </message>
    <message>
        <source>Even the load of experts</source>
        <translation>均衡专家负载</translation>
    </message>
    <message>
        <source>Finds frozen prices of experts over half of a text, window by window, and measures the other half without them and with them. More even use costs router mass: where less would be kept than wished, a layer gives way.</source>
        <translation>在文本的一半上逐窗求出专家的固定价格，再在另一半上分别测量有无价格的结果。用得越均匀，损失的路由质量越多：某层保留的质量低于期望时便让步。</translation>
    </message>
    <message>
        <source>&amp;CV wished</source>
        <translation>期望的 CV(&amp;C)</translation>
    </message>
    <message>
        <source>Standard deviation over mean of the experts&apos; load that is even enough</source>
        <translation>专家负载的标准差除以均值，达到此值即足够均匀</translation>
    </message>
    <message>
        <source>&amp;Mass kept</source>
        <translation>保留质量(&amp;M)</translation>
    </message>
    <message>
        <source>The least share of the best experts&apos; router mass that the chosen ones must have</source>
        <translation>所选专家至少应占最佳专家路由质量的份额</translation>
    </message>
    <message>
        <source>&amp;Windows</source>
        <translation>窗口数(&amp;W)</translation>
    </message>
    <message>
        <source>Use at most this many windows of 2,048 tokens; every second one is measured on, not learned from</source>
        <translation>最多使用这么多个 2,048 词元的窗口；每隔一个用于测量而非学习</translation>
    </message>
    <message>
        <source>Choose a &amp;text…</source>
        <translation>选择文本(&amp;T)…</translation>
    </message>
    <message>
        <source>&amp;Use the prices</source>
        <translation>使用这些价格(&amp;U)</translation>
    </message>
    <message>
        <source>Choose experts by these prices from now on; a run that there is is done again</source>
        <translation>从现在起按这些价格选择专家；已有的运行会重做一次</translation>
    </message>
    <message>
        <source>Close</source>
        <translation>关闭</translation>
    </message>
</context>
<context>
    <name>fovea::CardDocument</name>
    <message>
        <source>[image]</source>
        <translation>[图片]</translation>
    </message>
    <message>
        <source>[image: %1]</source>
        <translation>[图片：%1]</translation>
    </message>
</context>
<context>
    <name>fovea::CardView</name>
    <message>
        <source>Model card</source>
        <translation>模型卡</translation>
    </message>
    <message>
        <source>only the first %1 of %2 are shown</source>
        <translation>仅显示 %2 中的前 %1</translation>
    </message>
    <message>
        <source>too intricate to lay out, so it is shown as written</source>
        <translation>结构过于复杂，按原文显示</translation>
    </message>
    <message>
        <source>The card cannot be read</source>
        <translation>无法读取模型卡</translation>
    </message>
    <message>
        <source>This model has no card</source>
        <translation>此模型没有模型卡</translation>
    </message>
    <message>
        <source>A card is a Markdown file beside the model, %1; README.md serves too where the folder holds no other model.</source>
        <translation>模型卡是与模型放在一起的 Markdown 文件 %1；若文件夹中没有其他模型，也可以是 README.md。</translation>
    </message>
</context>
<context>
    <name>fovea::ComparePanel</name>
    <message>
        <source>Open runs</source>
        <translation>打开运行</translation>
    </message>
    <message>
        <source>Runs (*.fovea);;All files (*)</source>
        <translation>运行 (*.fovea);;所有文件 (*)</translation>
    </message>
    <message>
        <source>Choose a text</source>
        <translation>选择文本</translation>
    </message>
    <message>
        <source>Texts (*.txt *.md);;All files (*)</source>
        <translation>文本 (*.txt *.md);;所有文件 (*)</translation>
    </message>
    <message>
        <source>Two runs are needed.</source>
        <translation>需要两次运行。</translation>
    </message>
    <message>
        <source>No model is open.</source>
        <translation>没有打开模型。</translation>
    </message>
    <message>
        <source>A generated fewer than two tokens.</source>
        <translation>A 生成的词元少于两个。</translation>
    </message>
    <message>
        <source>The runs are of %1: open that model to measure.</source>
        <translation>这些运行属于 %1：打开该模型后才能测量。</translation>
    </message>
    <message>
        <source>All layers</source>
        <translation>所有层</translation>
    </message>
    <message>
        <source>Layer %1</source>
        <translation>第 %1 层</translation>
    </message>
    <message>
        <source>One run is here. Run again, with another policy or from another prompt, or open a run file: then both are compared.</source>
        <translation>目前只有一次运行。换一种策略或提示再运行一次，或打开运行文件，即可比较两者。</translation>
    </message>
    <message>
        <source>The texts part at token %1.</source>
        <translation>两段文本从词元 %1 起不同。</translation>
    </message>
    <message>
        <source>Both texts are the same.</source>
        <translation>两段文本相同。</translation>
    </message>
    <message>
        <source>On %1, %2 tokens: KL divergence of B from A %3 nats (99 %: %4), the same most likely token in %5, perplexity %6 ± %7.</source>
        <translation>在 %1 上（%2 个词元）：B 相对 A 的 KL 散度 %3 奈特（99 %：%4），最可能词元相同的占 %5，困惑度 %6 ± %7。</translation>
    </message>
    <message>
        <source>How the predictions of both differ was not measured.</source>
        <translation>尚未测量两者预测的差异。</translation>
    </message>
    <message>
        <source>Bars: experts used.</source>
        <translation>短条：使用的专家数。</translation>
    </message>
    <message>
        <source>Ground: KL divergence. Dots: another token was most likely.</source>
        <translation>底色：KL 散度。点线：最可能的词元不同。</translation>
    </message>
    <message>
        <source>Frame: the first different token.</source>
        <translation>边框：第一个不同的词元。</translation>
    </message>
    <message>
        <source>Both policies, or several, on one text; each gets a model of its own in memory while it goes on</source>
        <translation>让两种或多种策略处理同一段文本；测量期间每种策略在内存中各有一份模型</translation>
    </message>
    <message>
        <source>Not applicable</source>
        <translation>不适用</translation>
    </message>
    <message>
        <source>This is a dense model: there are no experts whose number could be chosen.</source>
        <translation>这是稠密模型：没有可以选择数量的专家。</translation>
    </message>
    <message>
        <source>The frontier was not measured</source>
        <translation>尚未测量前沿</translation>
    </message>
    <message>
        <source>Static numbers of experts from 1 to the model&apos;s own, and both policies, are held against the model&apos;s own choice on one text.</source>
        <translation>在同一段文本上，将固定专家数（从 1 到模型自身的数量）和两种策略与模型自身的选择比较。</translation>
    </message>
    <message>
        <source>Measure on the tokens of A</source>
        <translation>用 A 的词元测量</translation>
    </message>
    <message>
        <source>Waiting for the engine</source>
        <translation>等待引擎</translation>
    </message>
    <message>
        <source>Experts per token</source>
        <translation>每词元专家数</translation>
    </message>
    <message>
        <source>Time per token</source>
        <translation>每词元时间</translation>
    </message>
    <message>
        <source>Memory</source>
        <translation>内存</translation>
    </message>
    <message>
        <source>KL divergence of B from A</source>
        <translation>B 相对 A 的 KL 散度</translation>
    </message>
    <message>
        <source>token</source>
        <translation>词元</translation>
    </message>
    <message>
        <source>Not recorded</source>
        <translation>未记录</translation>
    </message>
    <message>
        <source>experts a layer</source>
        <translation>每层专家数</translation>
    </message>
    <message>
        <source>Not applicable: a dense model</source>
        <translation>不适用：稠密模型</translation>
    </message>
    <message>
        <source>ms</source>
        <translation>毫秒</translation>
    </message>
    <message>
        <source>MiB</source>
        <translation>MiB</translation>
    </message>
    <message>
        <source>nats</source>
        <translation>奈特</translation>
    </message>
    <message>
        <source>Not measured</source>
        <translation>未测量</translation>
    </message>
    <message>
        <source>token of %1</source>
        <translation>词元（%1）</translation>
    </message>
    <message>
        <source>experts used</source>
        <translation>使用的专家数</translation>
    </message>
    <message>
        <source>% of tokens and layers</source>
        <translation>占词元与层的 %</translation>
    </message>
    <message>
        <source>expert</source>
        <translation>专家</translation>
    </message>
    <message>
        <source>% of calls</source>
        <translation>占调用的 %</translation>
    </message>
    <message>
        <source>Nothing to compare yet</source>
        <translation>还没有可比较的内容</translation>
    </message>
    <message>
        <source>Every run of this session can be compared with another: run a prompt, change the policy, and both stand side by side here. Run files open too.</source>
        <translation>本次会话的每次运行都可以互相比较：运行一个提示，换一种策略，两者就会并排显示在这里。也可以打开运行文件。</translation>
    </message>
    <message>
        <source>Open runs…</source>
        <translation>打开运行…</translation>
    </message>
    <message>
        <source>Figures</source>
        <translation>数据</translation>
    </message>
    <message>
        <source>Texts</source>
        <translation>文本</translation>
    </message>
    <message>
        <source>Experts</source>
        <translation>专家</translation>
    </message>
    <message>
        <source>Frontier</source>
        <translation>前沿</translation>
    </message>
    <message>
        <source>Run A</source>
        <translation>运行 A</translation>
    </message>
    <message>
        <source>Run B</source>
        <translation>运行 B</translation>
    </message>
    <message>
        <source>Swap A and B</source>
        <translation>交换 A 和 B</translation>
    </message>
    <message>
        <source>Open…</source>
        <translation>打开…</translation>
    </message>
    <message>
        <source>Open run files</source>
        <translation>打开运行文件</translation>
    </message>
    <message>
        <source>Measure</source>
        <translation>测量</translation>
    </message>
    <message>
        <source>Export</source>
        <translation>导出</translation>
    </message>
    <message>
        <source>Predictions on the &amp;tokens of A</source>
        <translation>A 的词元上的预测(&amp;T)</translation>
    </message>
    <message>
        <source>Predictions on a te&amp;xt…</source>
        <translation>一段文本上的预测(&amp;X)…</translation>
    </message>
    <message>
        <source>&amp;Frontier on the tokens of A</source>
        <translation>A 的词元上的前沿(&amp;F)</translation>
    </message>
    <message>
        <source>F&amp;rontier on a text…</source>
        <translation>一段文本上的前沿(&amp;R)…</translation>
    </message>
    <message>
        <source>&amp;Page (HTML)…</source>
        <translation>网页（HTML）(&amp;P)…</translation>
    </message>
    <message>
        <source>All of it (&amp;JSON)…</source>
        <translation>全部数据（JSON）(&amp;J)…</translation>
    </message>
    <message>
        <source>Tables (&amp;CSV)…</source>
        <translation>表格（CSV）(&amp;C)…</translation>
    </message>
    <message>
        <source>Both &amp;runs with what was measured…</source>
        <translation>两次运行及测量结果(&amp;R)…</translation>
    </message>
    <message>
        <source>What is drawn by token</source>
        <translation>按词元绘制的内容</translation>
    </message>
    <message>
        <source>Layer</source>
        <translation>层</translation>
    </message>
    <message>
        <source>Figures of both runs</source>
        <translation>两次运行的数据</translation>
    </message>
    <message>
        <source>%1 %2</source>
        <comment>two sentences</comment>
        <translation>%1%2</translation>
    </message>
    <message>
        <source>%1 static numbers of experts   %2 other policies   Bars: one standard error of the paired difference. On %3, %4 tokens.</source>
        <translation>%1 固定专家数   %2 其他策略   误差线：配对差的一个标准误。文本：%3，%4 个词元。</translation>
    </message>
    <message>
        <source>Numbers of experts</source>
        <translation>专家数分布</translation>
    </message>
    <message>
        <source>Use of experts: %1</source>
        <translation>专家使用：%1</translation>
    </message>
</context>
<context>
    <name>fovea::Disclosure</name>
    <message>
        <source>More, %1 set</source>
        <translation>更多（已设 %1 项）</translation>
    </message>
    <message>
        <source>More</source>
        <translation>更多</translation>
    </message>
</context>
<context>
    <name>fovea::DockTitle</name>
    <message>
        <source>Make this view a window of its own, or dock it again</source>
        <translation>让此视图成为独立窗口，或重新停靠</translation>
    </message>
    <message>
        <source>Close this view; the View menu brings it back</source>
        <translation>关闭此视图；可从“视图”菜单重新打开</translation>
    </message>
    <message>
        <source>Float</source>
        <translation>浮动</translation>
    </message>
    <message>
        <source>Close</source>
        <translation>关闭</translation>
    </message>
</context>
<context>
    <name>fovea::ExpertPolicyForm</name>
    <message>
        <source>off: as the router chooses</source>
        <translation>off：按路由器的选择</translation>
    </message>
    <message>
        <source>seed: score × (1 − load)</source>
        <translation>seed：得分 × (1 − 负载)</translation>
    </message>
    <message>
        <source>headroom: less of the busiest</source>
        <translation>headroom：少用最忙的</translation>
    </message>
    <message>
        <source>locality: more of the busiest</source>
        <translation>locality：多用最忙的</translation>
    </message>
    <message>
        <source>price: a charge for the busiest</source>
        <translation>price：最忙的要收费</translation>
    </message>
    <message>
        <source>At &amp;most</source>
        <translation>最多(&amp;M)</translation>
    </message>
    <message>
        <source>&amp;Experts</source>
        <translation>专家数(&amp;E)</translation>
    </message>
    <message>
        <source>Share &amp;p</source>
        <translation>份额 p(&amp;P)</translation>
    </message>
    <message>
        <source>&amp;Factor c</source>
        <translation>系数 c(&amp;F)</translation>
    </message>
    <message>
        <source>by layer</source>
        <translation>按层</translation>
    </message>
    <message>
        <source>%1 of %2</source>
        <translation>%1 / %2</translation>
    </message>
    <message>
        <source>free</source>
        <translation>不限</translation>
    </message>
    <message>
        <source>automatic</source>
        <translation>自动</translation>
    </message>
    <message>
        <source>Not applicable: the model is dense.</source>
        <translation>不适用：模型是稠密的。</translation>
    </message>
    <message>
        <source>What a model can take is known once it is open.</source>
        <translation>打开模型后才知道它能用多少专家。</translation>
    </message>
    <message>
        <source>Experts</source>
        <translation>专家</translation>
    </message>
    <message>
        <source>S&amp;tatic</source>
        <translation>静态(&amp;T)</translation>
    </message>
    <message>
        <source>Every token takes the same number of experts</source>
        <translation>每个词元使用同样多的专家</translation>
    </message>
    <message>
        <source>D&amp;ynamic</source>
        <translation>动态(&amp;Y)</translation>
    </message>
    <message>
        <source>A token takes fewer experts where the router is sure</source>
        <translation>路由器有把握时，词元使用较少的专家</translation>
    </message>
    <message>
        <source>Experts that a token takes, or at most takes; the model was trained with the largest number</source>
        <translation>词元使用或最多使用的专家数；模型以最大的数目训练</translation>
    </message>
    <message>
        <source>By what the number is found: the fewest experts whose weights reach the share p, or the weights&apos; entropy: ceil(c exp H)</source>
        <translation>如何确定数目：权重达到份额 p 所需的最少专家，或按权重的熵：ceil(c exp H)</translation>
    </message>
    <message>
        <source>Less of it: fewer experts</source>
        <translation>越小，专家越少</translation>
    </message>
    <message>
        <source>The mean number that a controller holds in every layer, moving p or c after every 16 tokens, further into a sequence after up to 128</source>
        <translation>控制器在每层保持的平均数目，每 16 个词元调整一次 p 或 c，序列越靠后间隔越长，最多 128 个</translation>
    </message>
    <message>
        <source>What the load of an expert, the share of the last tokens that called it, does to its score; the best expert always stays</source>
        <translation>专家的负载（最近的词元中调用它的比例）如何改变其得分；最好的专家总是保留</translation>
    </message>
    <message>
        <source>How strongly; automatic: raised until the load is even, as long as enough of the router&apos;s mass is kept</source>
        <translation>强度；自动：在保留足够路由质量的前提下逐步提高，直到负载均匀</translation>
    </message>
    <message>
        <source>&amp;Number by</source>
        <translation>数目依据(&amp;N)</translation>
    </message>
    <message>
        <source>Mean &amp;k</source>
        <translation>平均 k(&amp;K)</translation>
    </message>
    <message>
        <source>B&amp;alance</source>
        <translation>均衡(&amp;A)</translation>
    </message>
    <message>
        <source>Stren&amp;gth</source>
        <translation>强度(&amp;G)</translation>
    </message>
    <message>
        <source>mass of the weights</source>
        <translation>权重的累计份额</translation>
    </message>
    <message>
        <source>entropy of the weights</source>
        <translation>权重的熵</translation>
    </message>
    <message>
        <source>&amp;Even the load over a text…</source>
        <translation>用文本均衡负载(&amp;E)…</translation>
    </message>
    <message>
        <source>Find frozen prices that even the experts&apos; load, and see what they cost</source>
        <translation>求出均衡专家负载的固定价格，并查看其代价</translation>
    </message>
    <message>
        <source>frozen prices of a file</source>
        <translation>文件中的冻结价格</translation>
    </message>
    <message>
        <source>frozen bias of a file</source>
        <translation>文件中的冻结偏置</translation>
    </message>
    <message>
        <source>Semantic router %1, weight %2</source>
        <translation>语义路由器 %1，权重 %2</translation>
    </message>
    <message>
        <source>beside the model</source>
        <translation>（模型旁的文件）</translation>
    </message>
    <message>
        <source>a copy of expert %1</source>
        <translation>专家 %1 的副本</translation>
    </message>
    <message>
        <source>Escort of %1, as a shadow: %2 of the calls until it has had %3</source>
        <translation>护送%1，影子方式：占调用的 %2，直到 %3 次</translation>
    </message>
    <message>
        <source>Escort of %1, with a small weight: %2 of the calls until it has had %3</source>
        <translation>护送%1，小权重方式：占调用的 %2，直到 %3 次</translation>
    </message>
    <message>
        <source>From the policy file, and it stays: %1.</source>
        <translation>来自策略文件并保留：%1。</translation>
    </message>
    <message>
        <source>At least</source>
        <translation>至少</translation>
    </message>
    <message>
        <source>The fewest experts that a token takes, however sure the router is</source>
        <translation>无论路由器多么确定，词元至少使用的专家数</translation>
    </message>
    <message>
        <source>Number by layer</source>
        <translation>各层数目</translation>
    </message>
    <message>
        <source>The number of experts, or the most, in each layer, with / between them, as 2/2/2/3/3/3</source>
        <translation>每层的专家数目或上限，以 / 分隔，如 2/2/2/3/3/3</translation>
    </message>
    <message>
        <source>Share p by layer</source>
        <translation>各层比例 p</translation>
    </message>
    <message>
        <source>The share of the weights to reach in each layer, with / between them, as 0.6/0.6/0.8</source>
        <translation>每层要达到的权重比例，以 / 分隔，如 0.6/0.6/0.8</translation>
    </message>
    <message>
        <source>Mean k by layer</source>
        <translation>各层平均 k</translation>
    </message>
    <message>
        <source>The mean number that is held in each layer, with / between them, as 2/2/2.4</source>
        <translation>每层保持的平均数目，以 / 分隔，如 2/2/2.4</translation>
    </message>
    <message>
        <source>Even enough</source>
        <translation>足够均匀</translation>
    </message>
    <message>
        <source>The coefficient of variation of the load at which automatic strength is raised no further</source>
        <translation>负载的变异系数达到此值后，自动强度不再提高</translation>
    </message>
    <message>
        <source>Mass to keep</source>
        <translation>保留质量</translation>
    </message>
    <message>
        <source>Automatic strength gives way where less of the router&apos;s mass is kept than this</source>
        <translation>保留的路由质量低于此值时，自动强度让步</translation>
    </message>
    <message>
        <source>Substitute&apos;s score</source>
        <translation>替补得分</translation>
    </message>
    <message>
        <source>A substitute has at least this share of the score of the last expert that it could replace</source>
        <translation>替补专家的得分至少为它可能替换的最后一个专家的此比例</translation>
    </message>
    <message>
        <source>Half-life of load</source>
        <translation>负载半衰期</translation>
    </message>
    <message>
        <source>After so many tokens a call counts half in the load</source>
        <translation>经过这么多词元后，一次调用在负载中只算一半</translation>
    </message>
    <message>
        <source>Load lasts</source>
        <translation>负载延续</translation>
    </message>
    <message>
        <source>A run begins with an even load, so the same prompt gives the same tokens; or load goes on from run to run</source>
        <translation>每次运行从均匀负载开始，因此相同提示得到相同词元；或负载在运行之间延续</translation>
    </message>
    <message>
        <source>all alike</source>
        <translation>各层相同</translation>
    </message>
    <message>
        <source> tokens</source>
        <translation> 词元</translation>
    </message>
    <message>
        <source>for a run</source>
        <translation>一次运行内</translation>
    </message>
    <message>
        <source>from run to run</source>
        <translation>跨运行延续</translation>
    </message>
    <message>
        <source>The semantic router of the policy is left out: it was trained for a model of another shape.</source>
        <translation>未使用策略中的语义路由器：它是为另一种形状的模型训练的。</translation>
    </message>
</context>
<context>
    <name>fovea::ExpertsPanel</name>
    <message>
        <source>CV&amp;nbsp;%1&amp;nbsp; U&amp;nbsp;%2&amp;nbsp; H&amp;nbsp;%3</source>
        <translation>CV&amp;nbsp;%1&amp;nbsp; U&amp;nbsp;%2&amp;nbsp; H&amp;nbsp;%3</translation>
    </message>
    <message>
        <source>No model is open</source>
        <translation>尚未打开模型</translation>
    </message>
    <message>
        <source>The experts of a mixture appear here when it runs.</source>
        <translation>混合专家模型运行时，专家的使用情况会显示在这里。</translation>
    </message>
    <message>
        <source>Not applicable</source>
        <translation>不适用</translation>
    </message>
    <message>
        <source>This is a dense model: every token takes the same path, there are no experts to choose.</source>
        <translation>这是稠密模型：所有词元走同一条路径，没有专家可选。</translation>
    </message>
    <message>
        <source>Nothing has run yet</source>
        <translation>尚未运行</translation>
    </message>
    <message>
        <source>Run a prompt: the experts that each token takes appear here.</source>
        <translation>运行一段提示：每个词元所选的专家会显示在这里。</translation>
    </message>
    <message>
        <source>Prefill</source>
        <translation>预填充</translation>
    </message>
    <message>
        <source>Decode</source>
        <translation>解码</translation>
    </message>
    <message>
        <source>CV&amp;nbsp;%1 (floor&amp;nbsp;%2)&amp;nbsp;&amp;nbsp; U&amp;nbsp;%3&amp;nbsp;&amp;nbsp; H&amp;nbsp;%4&amp;nbsp;&amp;nbsp; dead&amp;nbsp;%5</source>
        <translation>CV&amp;nbsp;%1（下限&amp;nbsp;%2）&amp;nbsp; U&amp;nbsp;%3&amp;nbsp;&amp;nbsp; H&amp;nbsp;%4&amp;nbsp;&amp;nbsp; 闲置&amp;nbsp;%5</translation>
    </message>
    <message>
        <source>no tokens yet</source>
        <translation>尚无词元</translation>
    </message>
    <message>
        <source>%1 of %2 calls</source>
        <translation>%2 次调用中的 %1 次</translation>
    </message>
    <message>
        <source>expert %1: prefill %2, decode %3</source>
        <translation>专家 %1：预填充 %2，解码 %3</translation>
    </message>
    <message>
        <source>All layers</source>
        <translation>所有层</translation>
    </message>
    <message>
        <source>Layer %1</source>
        <translation>第 %1 层</translation>
    </message>
    <message>
        <source>Layer</source>
        <translation>层</translation>
    </message>
    <message>
        <source>The layer whose experts are counted</source>
        <translation>统计哪一层的专家</translation>
    </message>
    <message>
        <source>% of calls</source>
        <translation>调用占比 %</translation>
    </message>
    <message>
        <source>Utilization per expert; the dashed line is even use</source>
        <translation>各专家的使用率；虚线为均匀使用</translation>
    </message>
    <message>
        <source>Main expert per token and layer</source>
        <translation>每个词元在每层的主专家</translation>
    </message>
    <message>
        <source>Main expert: tokens →, layers ↓</source>
        <translation>主专家：词元 →，层 ↓</translation>
    </message>
    <message>
        <source>Calls per expert. CV: standard deviation over mean; floor: the CV that perfectly even chance would show at this count. U: mean over the largest. H: entropy, 1 is even. Dead: fewer than 1 % of the mean. k: experts a token took, on average; in brackets the share of tokens with 1, 2, ... of them.</source>
        <translation>每个专家的调用次数。CV：标准差除以均值；下限：在此次数下完全均匀的随机选择也会出现的 CV。U：均值除以最大值。H：熵，1 为均匀。闲置：少于均值的 1 %。k：词元平均使用的专家数；括号内为使用 1、2…… 个专家的词元所占份额。</translation>
    </message>
    <message>
        <source>Calls of an expert over those of even use. CV: standard deviation over mean of a layer&apos;s experts; k: experts a token took there, on average. Press a row to choose its layer for the other views.</source>
        <translation>专家的调用次数与均匀使用之比。CV：该层各专家的标准差除以均值；k：词元在该层平均使用的专家数。点击一行，为其他视图选定该层。</translation>
    </message>
    <message>
        <source>Experts from the busiest on, and the share of a layer&apos;s calls that they take together; over all layers the mean. The dashed line is even use. Gini: 0 is even, 1 one expert for all.</source>
        <translation>从最忙的专家算起，它们合占一层调用的份额；所有层时取平均。虚线为均匀使用。基尼系数：0 为均匀，1 为全由一个专家承担。</translation>
    </message>
    <message>
        <source>Calls whose expert was among the last n distinct ones that its layer had used: what a memory of n experts a layer would have held. The dashed line is chance.</source>
        <translation>所调用的专家属于该层最近用过的 n 个不同专家的比例：即每层保留 n 个专家的缓存的命中率。虚线为随机水平。</translation>
    </message>
    <message>
        <source>Of the tokens with a main expert in one layer, the share that had each main expert in the next. Right guesses are counted in this run&apos;s own tokens, so few tokens flatter them.</source>
        <translation>在一层以某专家为主专家的词元中，下一层各主专家所占的份额。猜中率按本次运行自己的词元统计，词元少时会偏高。</translation>
    </message>
    <message>
        <source>How much more often than all tokens a kind of token calls an expert; over all layers, which share of its calls goes elsewhere than theirs. Kinds are told by characters; few tokens differ by chance.</source>
        <translation>某类词元调用一个专家的频率是全部词元的几倍；所有层时为其调用中与全部词元去向不同的份额。类别按字符判断；词元少时差异可能出于偶然。</translation>
    </message>
    <message>
        <source>CV, k</source>
        <translation>CV，k</translation>
    </message>
    <message>
        <source>CV</source>
        <translation>CV</translation>
    </message>
    <message>
        <source>experts →, layers ↓, over even use</source>
        <translation>专家 →，层 ↓，与均匀使用之比</translation>
    </message>
    <message>
        <source>most uneven: layer&amp;nbsp;%1, CV&amp;nbsp;%2</source>
        <translation>最不均匀：第&amp;nbsp;%1&amp;nbsp;层，CV&amp;nbsp;%2</translation>
    </message>
    <message>
        <source>half of the calls: the busiest&amp;nbsp;%1 of %2&amp;nbsp;&amp;nbsp; Gini&amp;nbsp;%3</source>
        <translation>一半调用：最忙的&amp;nbsp;%1&amp;nbsp;个（共&amp;nbsp;%2&amp;nbsp;个）&amp;nbsp; 基尼系数&amp;nbsp;%3</translation>
    </message>
    <message>
        <source>% of the experts, busiest first</source>
        <translation>专家的百分比，最忙的在前</translation>
    </message>
    <message>
        <source>Share of the calls that the busiest experts take</source>
        <translation>最忙的专家所占的调用份额</translation>
    </message>
    <message>
        <source>last&amp;nbsp;%1: %2 hit</source>
        <translation>最近&amp;nbsp;%1&amp;nbsp;个：命中 %2</translation>
    </message>
    <message>
        <source>%1&amp;nbsp;&amp;nbsp; half of the calls: last&amp;nbsp;%2</source>
        <translation>%1&amp;nbsp;&amp;nbsp; 一半调用：最近&amp;nbsp;%2&amp;nbsp;个</translation>
    </message>
    <message>
        <source>experts used last</source>
        <translation>最近用过的专家数</translation>
    </message>
    <message>
        <source>% of calls that hit</source>
        <translation>命中的调用 %</translation>
    </message>
    <message>
        <source>Hit rate of the experts used last</source>
        <translation>最近所用专家的命中率</translation>
    </message>
    <message>
        <source>Not counted</source>
        <translation>未统计</translation>
    </message>
    <message>
        <source>A single layer has no next one.</source>
        <translation>只有一层，没有下一层。</translation>
    </message>
    <message>
        <source>%1 layers of %2 experts have more pairs than are kept in memory.</source>
        <translation>%1 层、每层 %2 个专家，组合过多，不予保留。</translation>
    </message>
    <message>
        <source>tokens</source>
        <translation>词元</translation>
    </message>
    <message>
        <source>experts →, over all tokens&apos; share</source>
        <translation>专家 →，与全部词元的份额之比</translation>
    </message>
    <message>
        <source>%1 tokens of %2 kinds</source>
        <translation>%1 个词元，%2 类</translation>
    </message>
    <message>
        <source>layers →, share of calls elsewhere than all tokens&apos;</source>
        <translation>层 →，与全部词元去向不同的调用份额</translation>
    </message>
    <message>
        <source>%1, layer %2, expert %3: %4 of %5 calls, %6 × even</source>
        <translation>%1，第 %2 层，专家 %3：%5 次调用中的 %4 次，为均匀的 %6 倍</translation>
    </message>
    <message>
        <source>%1, expert %2 → %3: %4 of %5 tokens</source>
        <translation>%1，专家 %2 → %3：%5 个词元中的 %4 个</translation>
    </message>
    <message>
        <source>%1: no such tokens</source>
        <translation>%1：没有这类词元</translation>
    </message>
    <message>
        <source>%1, layer %2: %3 of its calls elsewhere</source>
        <translation>%1，第 %2 层：%3 的调用去向不同</translation>
    </message>
    <message>
        <source>%1, expert %2: %3 of its %4 calls, %5 × all tokens&apos; share</source>
        <translation>%1，专家 %2：其 %4 次调用中的 %3 次，为全部词元份额的 %5 倍</translation>
    </message>
    <message>
        <source>busiest %1 of %2 experts</source>
        <translation>最忙的 %1 个专家（共 %2 个）</translation>
    </message>
    <message>
        <source>last %1 experts</source>
        <translation>最近 %1 个专家</translation>
    </message>
    <message>
        <source>%1: prefill %2, decode %3</source>
        <translation>%1：预填充 %2，解码 %3</translation>
    </message>
    <message>
        <source>Use</source>
        <translation>使用率</translation>
    </message>
    <message>
        <source>Layers</source>
        <translation>各层</translation>
    </message>
    <message>
        <source>Skew</source>
        <translation>集中度</translation>
    </message>
    <message>
        <source>Reuse</source>
        <translation>重用</translation>
    </message>
    <message>
        <source>Transitions</source>
        <translation>层间转移</translation>
    </message>
    <message>
        <source>Token classes</source>
        <translation>词元类别</translation>
    </message>
    <message>
        <source>Calls of every expert, and the main expert of every token and layer</source>
        <translation>每个专家的调用次数，以及每个词元在每层的主专家</translation>
    </message>
    <message>
        <source>The use of every expert in every layer, beside even use</source>
        <translation>每层每个专家的使用率，与均匀使用相比</translation>
    </message>
    <message>
        <source>Which share of the calls the busiest experts take</source>
        <translation>最忙的专家占调用的多大份额</translation>
    </message>
    <message>
        <source>How often an expert is among those that its layer used last: the hit rate of a memory that keeps them</source>
        <translation>专家属于该层最近所用专家的频率：保留它们的缓存的命中率</translation>
    </message>
    <message>
        <source>To which main expert of the next layer tokens go from each main expert of a layer</source>
        <translation>词元从一层的每个主专家转到下一层的哪个主专家</translation>
    </message>
    <message>
        <source>Which experts words, digits, punctuation and other kinds of token call</source>
        <translation>单词、数字、标点等各类词元调用哪些专家</translation>
    </message>
    <message>
        <source>Layer %1 → %2</source>
        <translation>第 %1 → %2 层</translation>
    </message>
    <message>
        <source>What is shown of the experts</source>
        <translation>展示专家的哪一方面</translation>
    </message>
    <message>
        <source>Pair of layers</source>
        <translation>相邻两层</translation>
    </message>
    <message>
        <source>From which layer to which</source>
        <translation>从哪一层到哪一层</translation>
    </message>
    <message>
        <source>%1: too few tokens to tell</source>
        <translation>%1：词元太少，无从判断</translation>
    </message>
    <message>
        <source>Scheduling</source>
        <translation>调度</translation>
    </message>
    <message>
        <source>The three layers that schedule the work: semantic router, load balance, hardware; and whether each is in use</source>
        <translation>调度工作的三个层次：语义路由、负载均衡、硬件适配；以及各自是否启用</translation>
    </message>
    <message>
        <source>Experts: %1</source>
        <translation>专家：%1</translation>
    </message>
    <message>
        <source>layer %1 →, layer %2 ↓</source>
        <translation>第 %1 层 →，第 %2 层 ↓</translation>
    </message>
    <message>
        <source>next&amp;nbsp;guessed:&amp;nbsp;%1 (blindly&amp;nbsp;%2)</source>
        <translation>猜中下一个：%1 （不知本层时&amp;nbsp;%2）</translation>
    </message>
</context>
<context>
    <name>fovea::FigureModel</name>
    <message>
        <source>%1: derived, counted from shapes and recorded choices, not measured</source>
        <translation>%1：推导值，由形状和记录的选择计算得出，并非测量</translation>
    </message>
    <message>
        <source>Figure</source>
        <translation>数据</translation>
    </message>
    <message>
        <source>relative</source>
        <translation>相对</translation>
    </message>
</context>
<context>
    <name>fovea::FrontierPlot</name>
    <message>
        <source>%1: %2 experts a token, %3 of experts; perplexity %4 (%5 ± %6)</source>
        <translation>%1：每词元 %2 个专家，专家数据 %3；困惑度 %4（%5 ± %6）</translation>
    </message>
    <message>
        <source>bytes of experts a decoded token reads, % of the model&apos;s own choice (derived)</source>
        <translation>解码一个词元读取的专家字节数，占模型自身选择的 %（推导值）</translation>
    </message>
    <message>
        <source>perplexity over the model&apos;s own choice, %</source>
        <translation>相对模型自身选择的困惑度，%</translation>
    </message>
    <message>
        <source>Loss of quality against bytes of experts</source>
        <translation>质量损失与专家字节数</translation>
    </message>
    <message>
        <source>static numbers of experts</source>
        <translation>固定专家数</translation>
    </message>
    <message>
        <source>Bars: one standard error of the paired difference. On %1, %2 tokens.</source>
        <translation>误差线：配对差的一个标准误。文本：%1，%2 个词元。</translation>
    </message>
</context>
<context>
    <name>fovea::HeadGrid</name>
    <message>
        <source>layer %1, head %2</source>
        <translation>第 %1 层，第 %2 头</translation>
    </message>
    <message>
        <source>layer %1, head %2: not recorded</source>
        <translation>第 %1 层，第 %2 头：未记录</translation>
    </message>
    <message>
        <source>%1
not measured</source>
        <translation>%1
未测量</translation>
    </message>
    <message>
        <source>entropy %1, of what was kept %2</source>
        <translation>熵 %1，保留部分 %2</translation>
    </message>
    <message>
        <source>%1
everything was read
%2</source>
        <translation>%1
全部已读
%2</translation>
    </message>
    <message>
        <source>%1
kept %2 of attention, in 5 % of the rows less than %3
best choice %4
%5</source>
        <translation>%1
保留注意力 %2，5 % 的行低于 %3
最佳选择 %4
%5</translation>
    </message>
</context>
<context>
    <name>fovea::KernelModel</name>
    <message>
        <source>As fovea-cli bench --profile names it</source>
        <translation>名称与 fovea-cli bench --profile 相同</translation>
    </message>
    <message>
        <source>How often the device runs it</source>
        <translation>设备执行它的次数</translation>
    </message>
    <message>
        <source>GPU time in microseconds, from the device&apos;s timestamps</source>
        <translation>GPU 时间，单位微秒，来自设备的时间戳</translation>
    </message>
    <message>
        <source>Of the GPU time of all kernels; the longest bar is the largest share</source>
        <translation>占全部内核 GPU 时间的比例；最长的条代表最大的占比</translation>
    </message>
    <message>
        <source>Kernel</source>
        <translation>内核</translation>
    </message>
    <message>
        <source>Calls</source>
        <translation>次数</translation>
    </message>
    <message>
        <source>Share</source>
        <translation>占比</translation>
    </message>
</context>
<context>
    <name>fovea::LengthPanel</name>
    <message>
        <source>Choose a text</source>
        <translation>选择文本</translation>
    </message>
    <message>
        <source>Texts (*.txt *.md);;All files (*)</source>
        <translation>文本 (*.txt *.md);;所有文件 (*)</translation>
    </message>
    <message>
        <source>Waiting for the engine</source>
        <translation>等待引擎</translation>
    </message>
    <message>
        <source>as far as it goes</source>
        <translation>不限</translation>
    </message>
    <message>
        <source>%1 tokens</source>
        <translation>%1 个词元</translation>
    </message>
    <message>
        <source>No model is open</source>
        <translation>尚未打开模型</translation>
    </message>
    <message>
        <source>At what length sparse attention pays is measured here when a model is open.</source>
        <translation>打开模型后，可在此测量稀疏注意力从多长的上下文开始划算。</translation>
    </message>
    <message>
        <source>Measuring</source>
        <translation>正在测量</translation>
    </message>
    <message>
        <source>Points appear as they are measured: dense attention first, then sparse.</source>
        <translation>测得的点随时显示：先稠密注意力，后稀疏注意力。</translation>
    </message>
    <message>
        <source>At what length does sparse pay here?</source>
        <translation>稀疏注意力从多长开始划算？</translation>
    </message>
    <message>
        <source>Dense attention and the chosen sparse one read the same text at 1k, 2k, 4k tokens and on, as far as model, text and memory go. Time, KV memory and perplexity of both are measured, and from where on sparse is faster. Each gets a model of its own in its turn.</source>
        <translation>稠密注意力和所选的稀疏注意力在 1k、2k、4k……个词元的长度上读同一文本，直到模型、文本和内存的极限。测量两者的时间、KV 内存和困惑度，以及稀疏从多长开始更快。两者依次各用一份模型。</translation>
    </message>
    <message>
        <source>Choose a text…</source>
        <translation>选择文本…</translation>
    </message>
    <message>
        <source>Sparse prefills faster from %1 tokens on</source>
        <translation>从 %1 个词元起，稀疏的预填充更快</translation>
    </message>
    <message>
        <source>Sparse prefills no faster at the longest of these</source>
        <translation>在最长处，稀疏的预填充并不更快</translation>
    </message>
    <message>
        <source>decodes faster from %1 on</source>
        <translation>从 %1 个起解码更快</translation>
    </message>
    <message>
        <source>decodes no faster at the longest</source>
        <translation>在最长处解码并不更快</translation>
    </message>
    <message>
        <source>perplexity %1 at %2 tokens</source>
        <translation>%2 个词元处困惑度 %1</translation>
    </message>
    <message>
        <source>Measuring: %1 of %2 points</source>
        <translation>正在测量：%2 个点中的 %1 个</translation>
    </message>
    <message>
        <source>Stopped after %1 of %2 points: no crossover is told</source>
        <translation>测了 %2 个点中的 %1 个后停止：不给出交叉点</translation>
    </message>
    <message>
        <source>; </source>
        <translation>；</translation>
    </message>
    <message>
        <source>Measured once at each length on %1: a whole window, then tokens decoded at its end; %2.</source>
        <translation>各长度在 %1 上各测一次：先整个窗口，再在其末尾解码若干词元；%2。</translation>
    </message>
    <message>
        <source> The model was trained for %1 tokens.</source>
        <translation>模型按 %1 个词元训练。</translation>
    </message>
    <message>
        <source> The text has %1 tokens.</source>
        <translation>文本有 %1 个词元。</translation>
    </message>
    <message>
        <source> A context of %1 tokens finds no room in memory.</source>
        <translation>内存放不下 %1 个词元的上下文。</translation>
    </message>
    <message>
        <source>&amp;Longest</source>
        <translation>最长(&amp;L)</translation>
    </message>
    <message>
        <source>The longest context that is measured</source>
        <translation>要测量的最长上下文</translation>
    </message>
    <message>
        <source>Measure…</source>
        <translation>测量…</translation>
    </message>
    <message>
        <source>Choose a text and measure dense and sparse attention on it</source>
        <translation>选择文本，在其上测量稠密和稀疏注意力</translation>
    </message>
    <message>
        <source>dense</source>
        <translation>稠密</translation>
    </message>
    <message>
        <source>sparse</source>
        <translation>稀疏</translation>
    </message>
</context>
<context>
    <name>fovea::LengthPlot</name>
    <message>
        <source>faster from here</source>
        <translation>从此更快</translation>
    </message>
    <message>
        <source>%1 tokens</source>
        <translation>%1 个词元</translation>
    </message>
    <message>
        <source>%1: not measured</source>
        <translation>%1：未测量</translation>
    </message>
    <message>
        <source>%1: dense prefills a token in %2, decodes one in %3; sparse was not measured</source>
        <translation>%1：稠密预填充每词元 %2，解码每词元 %3；稀疏未测量</translation>
    </message>
    <message>
        <source>%1, dense → sparse: prefill %2 → %3, decode %4 → %5, KV %6 → %7, perplexity %8</source>
        <translation>%1，稠密 → 稀疏：预填充 %2 → %3，解码 %4 → %5，KV %6 → %7，困惑度 %8</translation>
    </message>
    <message>
        <source>prefill, ms a token</source>
        <translation>预填充，毫秒/词元</translation>
    </message>
    <message>
        <source>decode, ms a token</source>
        <translation>解码，毫秒/词元</translation>
    </message>
    <message>
        <source>KV cache, %1</source>
        <translation>KV 缓存，%1</translation>
    </message>
    <message>
        <source>perplexity over dense, %</source>
        <translation>困惑度相对稠密，%</translation>
    </message>
    <message>
        <source>Time, memory and perplexity of dense and sparse attention by length</source>
        <translation>稠密和稀疏注意力随长度的时间、内存和困惑度</translation>
    </message>
    <message>
        <source>By tokens of context, each measured once.</source>
        <translation>横轴为上下文词元数，每点测量一次。</translation>
    </message>
    <message>
        <source>Dense and sparse attention by length</source>
        <translation>不同长度下的稠密与稀疏注意力</translation>
    </message>
</context>
<context>
    <name>fovea::LoadDialog</name>
    <message>
        <source>&amp;automatic: %1</source>
        <translation>自动(&amp;A)：%1</translation>
    </message>
    <message>
        <source>&amp;automatic</source>
        <translation>自动(&amp;A)</translation>
    </message>
    <message>
        <source>fits</source>
        <translation>放得下</translation>
    </message>
    <message>
        <source>does not fit</source>
        <translation>放不下</translation>
    </message>
    <message>
        <source>Open a model</source>
        <translation>打开模型</translation>
    </message>
    <message>
        <source>&amp;Context</source>
        <translation>上下文(&amp;C)</translation>
    </message>
    <message>
        <source>Tokens that a prompt and its answer may have together</source>
        <translation>提示与回答合计可用的词元数</translation>
    </message>
    <message>
        <source> tokens</source>
        <translation> 词元</translation>
    </message>
    <message>
        <source>KV memory</source>
        <translation>KV 内存</translation>
    </message>
    <message>
        <source>In all</source>
        <translation>合计</translation>
    </message>
    <message>
        <source>&amp;f16</source>
        <translation>f16(&amp;F)</translation>
    </message>
    <message>
        <source>&amp;q8_0</source>
        <translation>q8_0(&amp;Q)</translation>
    </message>
    <message>
        <source>&amp;tiered</source>
        <translation>分级 tiered(&amp;T)</translation>
    </message>
    <message>
        <source>f16 where that fits into the device&apos;s memory, else q8_0</source>
        <translation>设备内存放得下时为 f16，否则为 q8_0</translation>
    </message>
    <message>
        <source>Keys and values as 16-bit floats</source>
        <translation>键和值为 16 位浮点数</translation>
    </message>
    <message>
        <source>Keys and values as 8-bit integers, with a scale for every 32</source>
        <translation>键和值为 8 位整数，每 32 个共用一个缩放因子</translation>
    </message>
    <message>
        <source>&amp;Open</source>
        <translation>打开(&amp;O)</translation>
    </message>
    <message>
        <source>Cancel</source>
        <translation>取消</translation>
    </message>
    <message>
        <source>at most %1, as it was trained</source>
        <translation>最多 %1，与训练时相同</translation>
    </message>
    <message>
        <source>%1 parameters in %2, mostly %3; %4 layers</source>
        <translation>%1 参数，%2，主要为 %3；%4 层</translation>
    </message>
    <message>
        <source>Reading the file…</source>
        <translation>正在读取文件…</translation>
    </message>
    <message>
        <source>Derived from the file&apos;s header for a run that fills the context; nothing else is read yet. %1 may be taken of the memory of %2.</source>
        <translation>按用满上下文的运行由文件头推得；其余内容尚未读取。%2 的内存中可用 %1。</translation>
    </message>
    <message>
        <source>Derived from the file&apos;s header for a run that fills the context; nothing else is read yet.</source>
        <translation>按用满上下文的运行由文件头推得；其余内容尚未读取。</translation>
    </message>
    <message>
        <source>16-bit floats at the start and in the window, 4 to 8 bits behind it</source>
        <translation>开头与窗口内为 16 位浮点数，窗口之后为 4 到 8 位</translation>
    </message>
</context>
<context>
    <name>fovea::MainWindow</name>
    <message>
        <source>Go to token</source>
        <translation>转到词元</translation>
    </message>
    <message>
        <source>Token, from 0 to %1:</source>
        <translation>词元编号，0 到 %1：</translation>
    </message>
    <message>
        <source>About Fovea</source>
        <translation>关于 Fovea</translation>
    </message>
    <message>
        <source>Runs a language model with its own Vulkan engine and shows its attention, experts and memory while it writes.
Built with Qt %1 and QCustomPlot.</source>
        <translation>用自己的 Vulkan 引擎运行语言模型，并在生成文本的同时展示注意力、专家和内存。
基于 Qt %1 与 QCustomPlot。</translation>
    </message>
    <message>
        <source>Opening %1</source>
        <translation>正在打开 %1</translation>
    </message>
    <message>
        <source>%1: %2</source>
        <translation>%1：%2</translation>
    </message>
    <message>
        <source>&amp;File</source>
        <translation>文件(&amp;F)</translation>
    </message>
    <message>
        <source>&amp;Open…</source>
        <translation>打开(&amp;O)…</translation>
    </message>
    <message>
        <source>Open &amp;recent</source>
        <translation>最近打开(&amp;R)</translation>
    </message>
    <message>
        <source>&amp;Quit</source>
        <translation>退出(&amp;Q)</translation>
    </message>
    <message>
        <source>&amp;Run</source>
        <translation>运行(&amp;R)</translation>
    </message>
    <message>
        <source>Run</source>
        <translation>运行</translation>
    </message>
    <message>
        <source>Generate from the prompt (Ctrl+R, or Ctrl+Enter in the prompt)</source>
        <translation>根据提示生成文本（Ctrl+R，或在提示框中按 Ctrl+Enter）</translation>
    </message>
    <message>
        <source>Stop</source>
        <translation>停止</translation>
    </message>
    <message>
        <source>End the run (Ctrl+.)</source>
        <translation>结束运行（Ctrl+.）</translation>
    </message>
    <message>
        <source>&amp;Go to token…</source>
        <translation>转到词元(&amp;G)…</translation>
    </message>
    <message>
        <source>&amp;Free the cursor</source>
        <translation>取消选中(&amp;F)</translation>
    </message>
    <message>
        <source>&amp;View</source>
        <translation>视图(&amp;V)</translation>
    </message>
    <message>
        <source>&amp;Theme</source>
        <translation>主题(&amp;T)</translation>
    </message>
    <message>
        <source>Like the &amp;system</source>
        <translation>跟随系统(&amp;S)</translation>
    </message>
    <message>
        <source>&amp;Light</source>
        <translation>浅色(&amp;L)</translation>
    </message>
    <message>
        <source>&amp;Dark</source>
        <translation>深色(&amp;D)</translation>
    </message>
    <message>
        <source>&amp;Language</source>
        <translation>语言(&amp;L)</translation>
    </message>
    <message>
        <source>&amp;Reset the layout</source>
        <translation>重置布局(&amp;R)</translation>
    </message>
    <message>
        <source>&amp;Help</source>
        <translation>帮助(&amp;H)</translation>
    </message>
    <message>
        <source>&amp;About Fovea</source>
        <translation>关于 Fovea(&amp;A)</translation>
    </message>
    <message>
        <source>Prompt</source>
        <translation>提示</translation>
    </message>
    <message>
        <source>Attention</source>
        <translation>注意力</translation>
    </message>
    <message>
        <source>Experts</source>
        <translation>专家</translation>
    </message>
    <message>
        <source>Memory</source>
        <translation>内存</translation>
    </message>
    <message>
        <source>Model</source>
        <translation>模型</translation>
    </message>
    <message>
        <source>Performance</source>
        <translation>性能</translation>
    </message>
    <message>
        <source>Open a model or a run</source>
        <translation>打开模型或运行</translation>
    </message>
    <message>
        <source>GGUF models and runs (*.gguf *.fovea);;All files (*)</source>
        <translation>GGUF 模型和运行 (*.gguf *.fovea);;所有文件 (*)</translation>
    </message>
    <message>
        <source>Compare</source>
        <translation>比较</translation>
    </message>
    <message>
        <source>Lengths</source>
        <translation>长度</translation>
    </message>
    <message>
        <source>Open with &amp;choices…</source>
        <translation>按选项打开(&amp;C)…</translation>
    </message>
    <message>
        <source>Choose context and KV cache beside the memory that they take, before the model is read</source>
        <translation>在读取模型之前，对照所需内存选择上下文与 KV 缓存</translation>
    </message>
    <message>
        <source>&amp;Save the run…</source>
        <translation>保存运行(&amp;S)…</translation>
    </message>
    <message>
        <source>Keep what was recorded of the last run in a file that opens again, for comparing</source>
        <translation>把最近一次运行的记录存入文件，之后可打开用于比较</translation>
    </message>
</context>
<context>
    <name>fovea::MatrixPair</name>
    <message>
        <source>Prefill</source>
        <translation>预填充</translation>
    </message>
    <message>
        <source>Decode</source>
        <translation>解码</translation>
    </message>
    <message>
        <source>no tokens yet</source>
        <translation>尚无词元</translation>
    </message>
    <message>
        <source>too few tokens to tell</source>
        <translation>词元太少，无从判断</translation>
    </message>
</context>
<context>
    <name>fovea::MemoryPanel</name>
    <message>
        <source>Weights</source>
        <translation>权重</translation>
    </message>
    <message>
        <source>KV cache</source>
        <translation>KV 缓存</translation>
    </message>
    <message>
        <source>Compute</source>
        <translation>计算</translation>
    </message>
    <message>
        <source>Total</source>
        <translation>合计</translation>
    </message>
    <message>
        <source>Measured</source>
        <translation>实测</translation>
    </message>
    <message>
        <source>Estimate</source>
        <translation>估计</translation>
    </message>
    <message>
        <source>Derived from the file before loading, not measured; the dashed line in the plot</source>
        <translation>加载前由文件推算，并非实测；对应图中的虚线</translation>
    </message>
    <message>
        <source>Measured: what the allocator has given out</source>
        <translation>实测值：分配器已分配的内存</translation>
    </message>
    <message>
        <source>No model is open</source>
        <translation>尚未打开模型</translation>
    </message>
    <message>
        <source>What a model takes of the device&apos;s memory appears here.</source>
        <translation>模型占用的设备内存会显示在这里。</translation>
    </message>
    <message>
        <source>Memory over tokens
appears with the first run</source>
        <translation>内存随词元的变化
会在首次运行后显示</translation>
    </message>
    <message>
        <source>tokens in the context</source>
        <translation>上下文中的词元数</translation>
    </message>
    <message>
        <source>Memory over tokens</source>
        <translation>内存随词元的变化</translation>
    </message>
    <message>
        <source>KV by tier: f16 %1, far pages %2, more bits of hot ones %3, ranking %4</source>
        <translation>KV 分级：f16 %1，远页 %2，热页另加的位 %3，排序 %4</translation>
    </message>
    <message>
        <source>Measured, of all layers. f16: the start and the window. Far: every page behind it that there is room for; %1 of %2 far pages are hot in each layer, and their values have more bits.
Ranking: how much attention pages had.</source>
        <translation>实测，所有层合计。f16：开头与窗口。远页：窗口之后已分配空间的每一页；每层 %2 个远页中有 %1 个热页，其值的位数更多。
排序：各页所得注意力的记录。</translation>
    </message>
    <message>
        <source>Recording, other</source>
        <translation>记录及其他</translation>
    </message>
    <message>
        <source>Measured: what the host reads back, nearly all of it recorded attention and experts; then tokens and page tables</source>
        <translation>实测：主机回读的数据，几乎全是记录的注意力和专家；此外是词元和页表</translation>
    </message>
    <message>
        <source>Derived from the file before loading, without what recording takes, which follows from the run; not measured</source>
        <translation>加载前由文件推出，不含由运行决定的记录开销；未实测</translation>
    </message>
</context>
<context>
    <name>fovea::MetadataModel</name>
    <message>
        <source>Key</source>
        <translation>键</translation>
    </message>
    <message>
        <source>Value</source>
        <translation>值</translation>
    </message>
</context>
<context>
    <name>fovea::ModelPanel</name>
    <message>
        <source>&amp;Copy the selected rows</source>
        <translation>复制所选行(&amp;C)</translation>
    </message>
    <message>
        <source>Select &amp;all</source>
        <translation>全选(&amp;A)</translation>
    </message>
    <message>
        <source>Metadata (%1)</source>
        <translation>元数据（%1）</translation>
    </message>
    <message>
        <source>Tensors (%1)</source>
        <translation>张量（%1）</translation>
    </message>
    <message>
        <source>Name</source>
        <translation>名称</translation>
    </message>
    <message>
        <source>File</source>
        <translation>文件</translation>
    </message>
    <message>
        <source>Size</source>
        <translation>大小</translation>
    </message>
    <message>
        <source>%1, mostly %2</source>
        <translation>%1，以 %2 为主</translation>
    </message>
    <message>
        <source>Architecture</source>
        <translation>架构</translation>
    </message>
    <message>
        <source>Parameters</source>
        <translation>参数</translation>
    </message>
    <message>
        <source>%1, %2 of them active per token</source>
        <translation>%1，每个词元激活 %2</translation>
    </message>
    <message>
        <source>Layers</source>
        <translation>层数</translation>
    </message>
    <message>
        <source>Width</source>
        <translation>宽度</translation>
    </message>
    <message>
        <source>Heads</source>
        <translation>注意力头</translation>
    </message>
    <message>
        <source>%1 query, %2 key and value, each %3 wide</source>
        <translation>%1 个查询头，%2 个键值头，每头宽 %3</translation>
    </message>
    <message>
        <source>Experts</source>
        <translation>专家</translation>
    </message>
    <message>
        <source>%1, %2 used per token and layer</source>
        <translation>%1 个，每个词元每层使用 %2 个</translation>
    </message>
    <message>
        <source>none, a dense model</source>
        <translation>无，稠密模型</translation>
    </message>
    <message>
        <source>Vocabulary</source>
        <translation>词表</translation>
    </message>
    <message>
        <source>%1 tokens</source>
        <translation>%1 个词元</translation>
    </message>
    <message>
        <source>Context</source>
        <translation>上下文</translation>
    </message>
    <message>
        <source>%1 tokens; trained for %2</source>
        <translation>%1 个词元；训练长度 %2</translation>
    </message>
    <message>
        <source>Chat format</source>
        <translation>对话格式</translation>
    </message>
    <message>
        <source>none known</source>
        <translation>未识别</translation>
    </message>
    <message>
        <source>Device</source>
        <translation>设备</translation>
    </message>
    <message>
        <source>Driver</source>
        <translation>驱动</translation>
    </message>
    <message>
        <source>%1, Vulkan %2</source>
        <translation>%1，Vulkan %2</translation>
    </message>
    <message>
        <source>Why this device</source>
        <translation>选择理由</translation>
    </message>
    <message>
        <source>Loaded in</source>
        <translation>加载用时</translation>
    </message>
    <message>
        <source>No model is open</source>
        <translation>尚未打开模型</translation>
    </message>
    <message>
        <source>What a GGUF file holds appears here.</source>
        <translation>GGUF 文件的内容会显示在这里。</translation>
    </message>
    <message>
        <source>Summary</source>
        <translation>概要</translation>
    </message>
    <message>
        <source>Metadata</source>
        <translation>元数据</translation>
    </message>
    <message>
        <source>Tensors</source>
        <translation>张量</translation>
    </message>
    <message>
        <source>Filter metadata and tensors</source>
        <translation>筛选元数据和张量</translation>
    </message>
    <message>
        <source>Filter</source>
        <translation>筛选</translation>
    </message>
    <message>
        <source>Card</source>
        <translation>模型卡</translation>
    </message>
    <message>
        <source>What the load took because of the device, and choices for the next</source>
        <translation>本次加载因设备采用的方式，以及下次加载的选择</translation>
    </message>
</context>
<context>
    <name>fovea::OverlayPlot</name>
    <message>
        <source>not recorded</source>
        <translation>未记录</translation>
    </message>
    <message>
        <source>%1 %2: %3</source>
        <translation>%1 %2：%3</translation>
    </message>
    <message>
        <source>%1 %2: %3 A %4, %5 B %6</source>
        <translation>%1 %2：%3 A %4，%5 B %6</translation>
    </message>
    <message>
        <source>the first token in which the texts differ</source>
        <translation>两段文本首个不同的词元</translation>
    </message>
</context>
<context>
    <name>fovea::PageStrip</name>
    <message>
        <source>row %1</source>
        <translation>第 %1 行</translation>
    </message>
    <message>
        <source>%1: which pages it read was not recorded</source>
        <translation>%1：读取了哪些页未记录</translation>
    </message>
    <message>
        <source>%1: all %2 pages were read, so little is there</source>
        <translation>%1：内容很少，%2 页全部已读</translation>
    </message>
    <message>
        <source>%1: all %2 pages were read, the layer is dense</source>
        <translation>%1：该层为稠密层，%2 页全部已读</translation>
    </message>
    <message>
        <source>%1: %2 of %3 pages read</source>
        <translation>%1：已读 %2／%3 页</translation>
    </message>
    <message>
        <source>dense</source>
        <translation>稠密</translation>
    </message>
    <message>
        <source>sparse</source>
        <translation>稀疏</translation>
    </message>
    <message>
        <source>sinks</source>
        <translation>汇聚页</translation>
    </message>
    <message>
        <source>window</source>
        <translation>窗口</translation>
    </message>
    <message>
        <source>chosen</source>
        <translation>选中</translation>
    </message>
    <message>
        <source>not attended</source>
        <translation>未关注</translation>
    </message>
    <message>
        <source>lost</source>
        <translation>丢失</translation>
    </message>
    <message>
        <source>%1
estimated loss %2; the true one was not measured</source>
        <translation>%1
估计丢失 %2；真实值未测量</translation>
    </message>
    <message>
        <source>%1, lost %2
estimated %3, best for the KV head %4
entropy %5, of what was kept %6</source>
        <translation>%1，丢失 %2
估计 %3，KV 头的最佳选择 %4
熵 %5，保留部分 %6</translation>
    </message>
    <message>
        <source>which pages were read was not recorded</source>
        <translation>读取了哪些页未记录</translation>
    </message>
</context>
<context>
    <name>fovea::PairedText</name>
    <message>
        <source>ends here</source>
        <translation>到此结束</translation>
    </message>
    <message>
        <source>token %1, id %2, %3</source>
        <translation>词元 %1，编号 %2，%3</translation>
    </message>
    <message>
        <source>%1 %2 experts a layer</source>
        <translation>%1 每层 %2 个专家</translation>
    </message>
    <message>
        <source>KL divergence of B from A: %1 nats</source>
        <translation>B 相对 A 的 KL 散度：%1 奈特</translation>
    </message>
    <message>
        <source>another token was most likely</source>
        <translation>最可能的词元不同</translation>
    </message>
</context>
<context>
    <name>fovea::PerformancePanel</name>
    <message>
        <source>not recorded</source>
        <translation>未记录</translation>
    </message>
    <message>
        <source>Counted from the model&apos;s shapes, not measured: every weight that a token uses once (%1), and keys and values of the %2 positions before it (%3 each)</source>
        <translation>由模型的形状推算，并非测量：一个词元用到的每个权重读一次（%1），加上它之前 %2 个位置的键和值（每个位置 %3）</translation>
    </message>
    <message>
        <source>unknown</source>
        <translation>未知</translation>
    </message>
    <message>
        <source>The weights were not counted</source>
        <translation>未统计权重</translation>
    </message>
    <message>
        <source>The first step is under way.</source>
        <translation>第一步正在进行。</translation>
    </message>
    <message>
        <source>Nothing has run yet.</source>
        <translation>尚未运行。</translation>
    </message>
    <message>
        <source>Measured while recording attention and timing kernels.</source>
        <translation>测量时记录了注意力，并为内核计时。</translation>
    </message>
    <message>
        <source>Measured while recording attention.</source>
        <translation>测量时记录了注意力。</translation>
    </message>
    <message>
        <source>Measured while timing kernels.</source>
        <translation>测量时为内核计时。</translation>
    </message>
    <message>
        <source>Measured without recording attention or timing kernels.</source>
        <translation>测量时未记录注意力，也未为内核计时。</translation>
    </message>
    <message>
        <source>A token reads %1 of %2 experts per layer.</source>
        <translation>每个词元在每层读取 %2 个专家中的 %1 个。</translation>
    </message>
    <message>
        <source>Dense model: a token reads every weight.</source>
        <translation>稠密模型：每个词元读取全部权重。</translation>
    </message>
    <message>
        <source>%1 %2</source>
        <comment>two sentences</comment>
        <translation>%1%2</translation>
    </message>
    <message>
        <source>Kernels: %1 of %2 for %3 prompt tokens</source>
        <translation>%3 个提示词元用时 %2，其中内核 %1</translation>
    </message>
    <message>
        <source>Kernels: %1 of %2 a token, mean of %3 tokens</source>
        <translation>每个词元用时 %2，其中内核 %1（%3 个词元的平均）</translation>
    </message>
    <message>
        <source>Timestamps around every kernel slow the steps that have them; the plain plan has none.</source>
        <translation>在每个内核前后写时间戳会拖慢带有时间戳的步；普通方案不写时间戳。</translation>
    </message>
    <message>
        <source>This device cannot time kernels</source>
        <translation>此设备无法为内核计时</translation>
    </message>
    <message>
        <source>Its compute queue has no timestamps: %1. Speed is measured all the same.</source>
        <translation>它的计算队列没有时间戳：%1。速度仍会测量。</translation>
    </message>
    <message>
        <source>The prompt&apos;s kernels were not timed</source>
        <translation>读入提示时未为内核计时</translation>
    </message>
    <message>
        <source>No decoded token was timed</source>
        <translation>解码时未为内核计时</translation>
    </message>
    <message>
        <source>Run again and time kernels</source>
        <translation>重新运行并为内核计时</translation>
    </message>
    <message>
        <source>Kernels are not timed</source>
        <translation>未为内核计时</translation>
    </message>
    <message>
        <source>Time kernels</source>
        <translation>为内核计时</translation>
    </message>
    <message>
        <source>It had been read before timing was switched on.</source>
        <translation>打开计时之前，提示已经读完。</translation>
    </message>
    <message>
        <source>Waiting for the next step</source>
        <translation>等待下一步</translation>
    </message>
    <message>
        <source>Kernels will be timed</source>
        <translation>将为内核计时</translation>
    </message>
    <message>
        <source>Times appear here with the next run.</source>
        <translation>下次运行时，用时会显示在这里。</translation>
    </message>
    <message>
        <source>No model is open</source>
        <translation>尚未打开模型</translation>
    </message>
    <message>
        <source>Speed, bandwidth and time per kernel appear here when a model runs.</source>
        <translation>模型运行时，速度、带宽和各内核用时会显示在这里。</translation>
    </message>
    <message>
        <source>Prefill</source>
        <translation>预填充</translation>
    </message>
    <message>
        <source>Decode</source>
        <translation>解码</translation>
    </message>
    <message>
        <source>Per token</source>
        <translation>每词元</translation>
    </message>
    <message>
        <source>Achieved</source>
        <translation>实际带宽</translation>
    </message>
    <message>
        <source>Of bound</source>
        <translation>占上限</translation>
    </message>
    <message>
        <source>By the engine&apos;s own clock: over the last second while it goes on, over all of it afterwards</source>
        <translation>以引擎自己的时钟计：进行中为最近一秒，结束后为全程</translation>
    </message>
    <message>
        <source>Derived: the counted bytes of a decoded token times the tokens per second</source>
        <translation>推算值：解码一个词元须读写的字节数 × 每秒词元数</translation>
    </message>
    <message>
        <source>Derived: decoding speed over the most that a token&apos;s bytes at the device&apos;s peak bandwidth and, on a GPU, its steps one after another at %1 µs each allow</source>
        <translation>推算值：解码速度 ÷ 理论最高速度（以设备峰值带宽读取每个 token 的字节；在 GPU 上再加上依次执行的各步，每步 %1 µs）</translation>
    </message>
    <message>
        <source>peak </source>
        <comment>in front of a number of GB/s</comment>
        <translation>峰值 </translation>
    </message>
    <message>
        <source>peak unknown</source>
        <translation>峰值未知</translation>
    </message>
    <message>
        <source>The device&apos;s peak bandwidth</source>
        <translation>设备的峰值带宽</translation>
    </message>
    <message>
        <source>The device&apos;s memory bandwidth as its data sheet has it, since Vulkan does not tell it. 0 stands for unknown.</source>
        <translation>设备规格表中的显存带宽，因为 Vulkan 不提供此值。0 表示未知。</translation>
    </message>
    <message>
        <source>Runs a variant of the plan with timestamps around every kernel; the tokens stay the same</source>
        <translation>运行在每个内核前后带时间戳的方案；生成的词元不变</translation>
    </message>
    <message>
        <source>Whose kernels: one decoded token&apos;s, or the whole prompt&apos;s</source>
        <translation>显示谁的内核：解码一个词元的，还是整个提示的</translation>
    </message>
    <message>
        <source>GPU time per kernel</source>
        <translation>各内核的 GPU 时间</translation>
    </message>
    <message>
        <source>GPU time between the timestamps, of the engine&apos;s clock for the same steps</source>
        <translation>时间戳之间的 GPU 时间，以及引擎时钟下相同各步的用时</translation>
    </message>
    <message>
        <source>Decoded tokens read %1 of %2 experts per layer on average.</source>
        <translation>解码的词元平均在每层读取 %2 个专家中的 %1 个。</translation>
    </message>
    <message>
        <source>A token reads at most %1 of %2 experts per layer.</source>
        <translation>每个词元在每层最多读取 %2 个专家中的 %1 个。</translation>
    </message>
</context>
<context>
    <name>fovea::PolicyPanel</name>
    <message>
        <source>A change runs the prompt again with the same seed. Weights stay loaded.</source>
        <translation>改动后以同一种子重新运行提示；权重保持加载。</translation>
    </message>
</context>
<context>
    <name>fovea::ProgressStrip</name>
    <message>
        <source>Ca&amp;ncel</source>
        <translation>取消(&amp;N)</translation>
    </message>
</context>
<context>
    <name>fovea::PromptPanel</name>
    <message>
        <source>Co&amp;mpletion</source>
        <translation>续写(&amp;M)</translation>
    </message>
    <message>
        <source>The model goes on with the text as it stands</source>
        <translation>模型按原样接着文本往下写</translation>
    </message>
    <message>
        <source>Ch&amp;at</source>
        <translation>对话(&amp;A)</translation>
    </message>
    <message>
        <source>The text is wrapped in the model&apos;s chat format (%1)</source>
        <translation>文本会套用模型的对话格式（%1）</translation>
    </message>
    <message>
        <source>This model has no chat format that is known here; use completion</source>
        <translation>此模型没有可识别的对话格式；请使用续写</translation>
    </message>
    <message>
        <source>nothing</source>
        <translation>无</translation>
    </message>
    <message>
        <source>this head</source>
        <translation>当前头</translation>
    </message>
    <message>
        <source>all heads</source>
        <translation>所有头</translation>
    </message>
    <message>
        <source>Record</source>
        <translation>记录</translation>
    </message>
    <message>
        <source>Which attention is recorded while the model runs; recording costs some speed</source>
        <translation>模型运行时记录哪些注意力；记录会略微降低速度</translation>
    </message>
    <message>
        <source>Recording</source>
        <translation>记录</translation>
    </message>
    <message>
        <source>&amp;Sampling</source>
        <translation>采样(&amp;S)</translation>
    </message>
    <message>
        <source>Temperature, seed and how many tokens</source>
        <translation>温度、种子和词元数</translation>
    </message>
    <message>
        <source>R&amp;un</source>
        <translation>运行(&amp;U)</translation>
    </message>
    <message>
        <source>Generate from this prompt (Ctrl+Enter)</source>
        <translation>根据此提示生成文本（Ctrl+Enter）</translation>
    </message>
    <message>
        <source>St&amp;op</source>
        <translation>停止(&amp;O)</translation>
    </message>
    <message>
        <source>End the run; what was written stays</source>
        <translation>结束运行；已生成的文本保留</translation>
    </message>
    <message>
        <source>Write a prompt, then press Ctrl+Enter</source>
        <translation>写下提示，然后按 Ctrl+Enter</translation>
    </message>
    <message>
        <source>Prompt</source>
        <translation>提示</translation>
    </message>
    <message>
        <source>Transcript</source>
        <translation>文本</translation>
    </message>
    <message>
        <source>Opening the model</source>
        <translation>正在打开模型</translation>
    </message>
    <message>
        <source>No model is open</source>
        <translation>尚未打开模型</translation>
    </message>
    <message>
        <source>Open a GGUF file with Ctrl+O, or drop one on the window.</source>
        <translation>按 Ctrl+O 打开 GGUF 文件，或把文件拖到窗口上。</translation>
    </message>
    <message>
        <source>Ready</source>
        <translation>就绪</translation>
    </message>
    <message>
        <source>Write a prompt below and press Run: the text appears here, and every token of it can be clicked.</source>
        <translation>在下方写提示并按“运行”：文本显示在这里，每个词元都可以点击。</translation>
    </message>
</context>
<context>
    <name>fovea::RoutingMap</name>
    <message>
        <source>token %1 %2, layer %3</source>
        <translation>词元 %1 %2，第 %3 层</translation>
    </message>
    <message>
        <source>%1: not recorded</source>
        <translation>%1：未记录</translation>
    </message>
    <message>
        <source>%1: experts %2</source>
        <translation>%1：专家 %2</translation>
    </message>
</context>
<context>
    <name>fovea::SamplingForm</name>
    <message>
        <source>Max tokens</source>
        <translation>最多词元</translation>
    </message>
    <message>
        <source>&amp;Temperature</source>
        <translation>温度(&amp;T)</translation>
    </message>
    <message>
        <source>Top-k</source>
        <translation>Top-k</translation>
    </message>
    <message>
        <source>Top-p</source>
        <translation>Top-p</translation>
    </message>
    <message>
        <source>S&amp;eed</source>
        <translation>种子(&amp;E)</translation>
    </message>
    <message>
        <source>Min-p</source>
        <translation>Min-p</translation>
    </message>
    <message>
        <source>Repeat penalty</source>
        <translation>重复惩罚</translation>
    </message>
    <message>
        <source>Last n</source>
        <translation>最近 n 个</translation>
    </message>
    <message>
        <source>random</source>
        <translation>随机</translation>
    </message>
    <message>
        <source>The run ends after this many new tokens</source>
        <translation>生成这么多新词元后结束运行</translation>
    </message>
    <message>
        <source>0: always the most likely token; higher: more surprising</source>
        <translation>0：总是取最可能的词元；越高越出人意料</translation>
    </message>
    <message>
        <source>Draw among this many most likely tokens; 0: all</source>
        <translation>在最可能的若干个词元中抽取；0：全部</translation>
    </message>
    <message>
        <source>Draw among the fewest tokens whose probabilities reach this sum; 1: off</source>
        <translation>在概率之和达到此值的最少词元中抽取；1：关闭</translation>
    </message>
    <message>
        <source>Leave out tokens less likely than this part of the most likely one; 0: off</source>
        <translation>排除概率低于最大概率此比例的词元；0：关闭</translation>
    </message>
    <message>
        <source>Makes tokens of the last n less likely; 1: off</source>
        <translation>降低最近 n 个词元再次出现的概率；1：关闭</translation>
    </message>
    <message>
        <source>How many of the last tokens the penalty looks at; 0: none, −1: all</source>
        <translation>惩罚所考察的最近词元数；0：不考察，−1：全部</translation>
    </message>
    <message>
        <source>The same seed, prompt and settings give the same text; empty: a new one for every run</source>
        <translation>相同的种子、提示和设置会得到相同的文本；留空：每次运行使用新的种子</translation>
    </message>
</context>
<context>
    <name>fovea::SchedulingView</name>
    <message>
        <source>no model is open</source>
        <translation>没有打开模型</translation>
    </message>
    <message>
        <source>not applicable</source>
        <translation>不适用</translation>
    </message>
    <message>
        <source>The model is dense: there are no experts to predict.</source>
        <translation>该模型是稠密模型：没有可预测的专家。</translation>
    </message>
    <message>
        <source>none that fits</source>
        <translation>没有匹配的</translation>
    </message>
    <message>
        <source>none</source>
        <translation>无</translation>
    </message>
    <message>
        <source>No side file NAME.router is beside the model; fovea-cli train-router makes one.</source>
        <translation>模型旁没有附属文件 NAME.router；可用 fovea-cli train-router 生成。</translation>
    </message>
    <message>
        <source>%1 parameters, %2 of the model&apos;s bytes; learned from %3 tokens in %4 domains.</source>
        <translation>%1 参数，占模型字节的 %2；从 %4 个领域的 %3 个词元学得。</translation>
    </message>
    <message>
        <source>On %1 tokens that it did not learn from: %2 of a token&apos;s experts predicted (the most used of each layer: %3); domain right for %4 (the largest: %5).</source>
        <translation>在未学习过的 %1 个词元上：预测出词元专家的 %2（各层最常用者：%3）；领域判断正确 %4（最大领域：%5）。</translation>
    </message>
    <message>
        <source>%1: %2 (%3)</source>
        <translation>%1：%2（%3）</translation>
    </message>
    <message>
        <source>By layer: %1</source>
        <translation>各层：%1</translation>
    </message>
    <message>
        <source>; </source>
        <translation>；</translation>
    </message>
    <message>
        <source>%1 experts hold %2 (last called: %3)</source>
        <translation>%1 个专家命中 %2（最近调用者：%3）</translation>
    </message>
    <message>
        <source>As prefetch: %1</source>
        <translation>用作预取：%1</translation>
    </message>
    <message>
        <source>How many experts a token needs: off by %1 on average (always the median: %2).</source>
        <translation>词元所需专家数：平均误差 %1（恒取中位数：%2）。</translation>
    </message>
    <message>
        <source>How many experts a token needs was not measured.</source>
        <translation>词元所需专家数未测量。</translation>
    </message>
    <message>
        <source>The policy does not ask it: the experts&apos; part of a policy does with prior=semantic.</source>
        <translation>策略未启用它：在策略的专家部分写 prior=semantic 即可启用。</translation>
    </message>
    <message>
        <source>Asked behind its layer in every run: what it predicts is counted as prefetch; experts stay those of the rule.</source>
        <translation>每次运行都在其所在层之后调用：预测结果按预取统计；专家仍由规则决定。</translation>
    </message>
    <message>
        <source>Asked behind its layer in every run: the need that it predicts moves how many experts a token gets, with weight %1.</source>
        <translation>每次运行都在其所在层之后调用：预测的需求以权重 %1 调整每个词元的专家数。</translation>
    </message>
    <message>
        <source>on: predicts</source>
        <translation>启用：预测</translation>
    </message>
    <message>
        <source>on: moves the number of experts</source>
        <translation>启用：调整专家数</translation>
    </message>
    <message>
        <source>on: price</source>
        <translation>启用：price</translation>
    </message>
    <message>
        <source>Busy experts cost a price that is taken off their score, as far as enough of the router&apos;s mass is kept; the best expert of a token always stays.</source>
        <translation>繁忙的专家要付出代价，从其得分中扣除，但须保留足够的路由质量；每个词元的最佳专家始终保留。</translation>
    </message>
    <message>
        <source>trained, not in use</source>
        <translation>已训练，未启用</translation>
    </message>
    <message>
        <source>The model is dense: there is no load to even.</source>
        <translation>该模型是稠密模型：没有需要均衡的负载。</translation>
    </message>
    <message>
        <source>off</source>
        <translation>关闭</translation>
    </message>
    <message>
        <source>on: frozen prices</source>
        <translation>启用：固定价格</translation>
    </message>
    <message>
        <source>Prices that were measured before are taken from the router&apos;s scores; the same text always gets the same experts.</source>
        <translation>从路由分数中减去事先测得的价格；同一文本总是得到相同的专家。</translation>
    </message>
    <message>
        <source>on: frozen bias</source>
        <translation>启用：固定偏置</translation>
    </message>
    <message>
        <source>A bias that was measured before is added to the router&apos;s scores; the same text always gets the same experts.</source>
        <translation>将事先测得的偏置加到路由分数上；同一文本总是得到相同的专家。</translation>
    </message>
    <message>
        <source>on: seed</source>
        <translation>启用：seed</translation>
    </message>
    <message>
        <source>on: headroom</source>
        <translation>启用：headroom</translation>
    </message>
    <message>
        <source>on: locality</source>
        <translation>启用：locality</translation>
    </message>
    <message>
        <source>An expert&apos;s score is multiplied by 1 less its load.</source>
        <translation>专家的分数乘以 1 减去其负载。</translation>
    </message>
    <message>
        <source>The busiest experts lose score, as far as enough of the router&apos;s mass is kept; the best expert of a token always stays.</source>
        <translation>最忙的专家降低分数，但须保留足够的路由质量；词元的最佳专家始终保留。</translation>
    </message>
    <message>
        <source>The busiest experts gain score, so that fewer are read; the best expert of a token always stays.</source>
        <translation>最忙的专家提高分数，以减少读取的专家；词元的最佳专家始终保留。</translation>
    </message>
    <message>
        <source>Experts are called as the router chooses.</source>
        <translation>按路由的选择调用专家。</translation>
    </message>
    <message>
        <source>This run, prefill</source>
        <translation>本次运行，预填充</translation>
    </message>
    <message>
        <source>This run, decode</source>
        <translation>本次运行，解码</translation>
    </message>
    <message>
        <source>How even the load is, is counted when something runs.</source>
        <translation>负载的均匀程度在运行时统计。</translation>
    </message>
    <message>
        <source>%1: %2</source>
        <translation>%1：%2</translation>
    </message>
    <message>
        <source>on; %1 overruled by you</source>
        <translation>启用；其中 %1 项由您改定</translation>
    </message>
    <message>
        <source>on</source>
        <translation>启用</translation>
    </message>
    <message>
        <source>1  Semantic router</source>
        <translation>1  语义路由</translation>
    </message>
    <message>
        <source>Predicts domain and experts from the first layers, before the others run</source>
        <translation>在其余层运行之前，由最前几层预测领域与专家</translation>
    </message>
    <message>
        <source>2  Load balance</source>
        <translation>2  负载均衡</translation>
    </message>
    <message>
        <source>Moves choices away from, or towards, experts that are called often</source>
        <translation>使选择避开或偏向常被调用的专家</translation>
    </message>
    <message>
        <source>3  Hardware adaptation</source>
        <translation>3  硬件适配</translation>
    </message>
    <message>
        <source>KV type, batches and kernels by what the device can do</source>
        <translation>按设备能力决定 KV 类型、批大小与内核</translation>
    </message>
    <message>
        <source>Policy…</source>
        <translation>策略…</translation>
    </message>
    <message>
        <source>Choose how experts are chosen</source>
        <translation>选择专家的选取方式</translation>
    </message>
    <message>
        <source>Reasons…</source>
        <translation>原因…</translation>
    </message>
    <message>
        <source>Why each was taken, and choices for the next load</source>
        <translation>各项的原因，以及下次载入的选项</translation>
    </message>
    <message>
        <source>%1: CV %2 (chance %3), U %4, H %5; means of the layers</source>
        <translation>%1：CV %2（随机 %3），U %4，H %5；各层平均</translation>
    </message>
</context>
<context>
    <name>fovea::StatusLine</name>
    <message>
        <source>Opening the model</source>
        <translation>正在打开模型</translation>
    </message>
    <message>
        <source>Ready</source>
        <translation>就绪</translation>
    </message>
    <message>
        <source>No model is open</source>
        <translation>尚未打开模型</translation>
    </message>
    <message>
        <source>Starting</source>
        <translation>正在启动</translation>
    </message>
    <message>
        <source>Reading the prompt: %1 of %2 tokens</source>
        <translation>正在读入提示：%1 / %2 个词元</translation>
    </message>
    <message>
        <source>Reading the prompt</source>
        <translation>正在读入提示</translation>
    </message>
    <message>
        <source>Writing</source>
        <translation>正在生成</translation>
    </message>
    <message>
        <source>The run failed</source>
        <translation>运行失败</translation>
    </message>
    <message>
        <source>Done: as many tokens as asked for</source>
        <translation>完成：已达到指定词元数</translation>
    </message>
    <message>
        <source>Done: the model ended the text</source>
        <translation>完成：模型结束了文本</translation>
    </message>
    <message>
        <source>Stopped</source>
        <translation>已停止</translation>
    </message>
    <message>
        <source>Done: the context is full</source>
        <translation>完成：上下文已满</translation>
    </message>
    <message>
        <source>recording all heads</source>
        <translation>记录所有头</translation>
    </message>
    <message>
        <source>recording layer %1 head %2</source>
        <translation>记录第 %1 层第 %2 头</translation>
    </message>
    <message>
        <source>recording no attention</source>
        <translation>不记录注意力</translation>
    </message>
    <message>
        <source>recording %1 heads</source>
        <translation>记录 %1 个头</translation>
    </message>
    <message>
        <source>%1 while recording</source>
        <translation>%1（记录中）</translation>
    </message>
    <message>
        <source>Decoding speed, by the engine&apos;s own clock</source>
        <translation>解码速度，由引擎自身计时</translation>
    </message>
    <message>
        <source>%1 prompt + %2 new tokens</source>
        <translation>提示 %1 + 新生成 %2 个词元</translation>
    </message>
    <message>
        <source>first token %1</source>
        <translation>首词元 %1</translation>
    </message>
    <message>
        <source>seed %1</source>
        <translation>种子 %1</translation>
    </message>
    <message>
        <source>%1 while recording and timing</source>
        <translation>%1（记录并计时中）</translation>
    </message>
    <message>
        <source>%1 while timing kernels</source>
        <translation>%1（计时中）</translation>
    </message>
    <message>
        <source>Ready. The policy&apos;s semantic router is left out: it was trained for a model of another shape.</source>
        <translation>就绪。未使用策略中的语义路由器：它是为另一种形状的模型训练的。</translation>
    </message>
</context>
<context>
    <name>fovea::TensorModel</name>
    <message>
        <source>Tensor</source>
        <translation>张量</translation>
    </message>
    <message>
        <source>Type</source>
        <translation>类型</translation>
    </message>
    <message>
        <source>Shape</source>
        <translation>形状</translation>
    </message>
    <message>
        <source>Size</source>
        <translation>大小</translation>
    </message>
</context>
<context>
    <name>fovea::TitleStrip</name>
    <message>
        <source>Title strip</source>
        <translation>标题栏</translation>
    </message>
    <message>
        <source>no model</source>
        <translation>无模型</translation>
    </message>
    <message>
        <source>Open a GGUF file with Ctrl+O</source>
        <translation>按 Ctrl+O 打开 GGUF 文件</translation>
    </message>
    <message>
        <source>no device</source>
        <translation>无设备</translation>
    </message>
    <message>
        <source>A device is chosen when a model is opened</source>
        <translation>打开模型时选择设备</translation>
    </message>
    <message>
        <source>%1 parameters, %2
Press to see what the file holds</source>
        <translation>%1 参数，%2
点击查看文件内容</translation>
    </message>
    <message>
        <source>%1
%2, Vulkan %3
%4</source>
        <translation>%1
%2，Vulkan %3
%4</translation>
    </message>
    <message>
        <source>no experts</source>
        <translation>无专家</translation>
    </message>
    <message>
        <source>Attention: every query attends to every earlier token</source>
        <translation>注意力：每个查询关注此前的所有词元</translation>
    </message>
    <message>
        <source>Experts: none, the model is dense</source>
        <translation>专家：无，模型是稠密的</translation>
    </message>
    <message>
        <source>Experts: each token takes %1, the model&apos;s own number</source>
        <translation>专家：每个词元使用 %1 个，即模型自定的专家数</translation>
    </message>
    <message>
        <source>Experts: each token takes the model&apos;s own number of them</source>
        <translation>专家：每个词元使用模型自定的专家数</translation>
    </message>
    <message>
        <source>KV: keys and values are kept as 8-bit integers, with a scale for every 32</source>
        <translation>KV：键和值以 8 位整数保存，每 32 个共用一个缩放系数</translation>
    </message>
    <message>
        <source>KV: 16-bit floats at the start and in the window, 4 to 8 bits behind it</source>
        <translation>KV：开头和窗口内以 16 位浮点数保存，窗口之后为 4 到 8 位</translation>
    </message>
    <message>
        <source>KV: keys and values are kept as 16-bit floats</source>
        <translation>KV：键和值以 16 位浮点保存</translation>
    </message>
    <message>
        <source>Activations: decoding multiplies weights stored in blocks with 8-bit integers, with a scale for every 32</source>
        <translation>激活值：解码时以 8 位整数与分块存储的权重相乘，每 32 个共用一个缩放系数</translation>
    </message>
    <message>
        <source>Activations: 32-bit floats, since this model on this device has no product that takes 8 bits</source>
        <translation>激活值：32 位浮点，因为该模型在此设备上没有可用 8 位的乘积</translation>
    </message>
    <message>
        <source>Activations: what suits the device, which is known when a model is open</source>
        <translation>激活值：取决于设备，打开模型后才知道</translation>
    </message>
    <message>
        <source>Activations: weights are multiplied with 32-bit floats</source>
        <translation>激活值：以 32 位浮点与权重相乘</translation>
    </message>
    <message>
        <source>as few as hold %1, %2 at most</source>
        <translation>足以占 %1 的最少页数（至多 %2）</translation>
    </message>
    <message>
        <source>%1 · %2 · KV %3 · activations %4</source>
        <translation>%1 · %2 · KV %3 · 激活值 %4</translation>
    </message>
    <message>
        <source>Experts: each token takes %1</source>
        <translation>专家：每个词元使用 %1 个</translation>
    </message>
    <message>
        <source>Experts: each token takes as few as hold %1 of the weights</source>
        <translation>专家：每个词元使用占权重 %1 所需的最少数目</translation>
    </message>
    <message>
        <source>Experts: each token takes ceil(%1 exp H), by the entropy H of the weights</source>
        <translation>专家：每个词元使用 ceil(%1 exp H) 个，H 为权重的熵</translation>
    </message>
    <message>
        <source>, moved so that the mean is %1</source>
        <translation>，并调整使平均为 %1</translation>
    </message>
    <message>
        <source>;
a frozen bias from a file moves the choice</source>
        <translation>；
文件中的固定偏置改变选择</translation>
    </message>
    <message>
        <source>;
load moves the choice: %1</source>
        <translation>；
负载改变选择：%1</translation>
    </message>
    <message>
        <source>; it lasts from run to run, so a run depends on those before it</source>
        <translation>；负载跨运行保留，因此一次运行取决于之前的运行</translation>
    </message>
    <message>
        <source>The policy of the run; press to change attention and experts</source>
        <translation>本次运行的策略；点击更改注意力和专家</translation>
    </message>
    <message>
        <source>KV: what suits the device, which is known when a model is open</source>
        <translation>KV：适合设备的方式，打开模型后才知道</translation>
    </message>
    <message>
        <source>Attention: a query reads its last %1 positions, the first %2, and of the pages between them %3, chosen by %4</source>
        <translation>注意力：查询读取最近 %1 个位置、最前 %2 个位置，以及其间的页 %3，按 %4 选择</translation>
    </message>
    <message>
        <source>which layers read more follows from the model&apos;s depth; queries that see fewer than %1 keys read everything</source>
        <translation>哪些层多读由模型深度决定；看到的键少于 %1 的查询读取全部</translation>
    </message>
    <message>
        <source>the first %1 layers and queries that see fewer than %2 keys read everything</source>
        <translation>前 %1 层以及看到的键少于 %2 的查询读取全部</translation>
    </message>
    <message>
        <source>queries that see fewer than %1 keys read everything</source>
        <translation>看到的键少于 %1 的查询读取全部</translation>
    </message>
    <message>
        <source>;
whatever the others read, the first layers read %1 of the pages</source>
        <translation>；
无论其他层读取多少，最前面的层读取页的 %1</translation>
    </message>
    <message>
        <source>;
a decoded token chooses by its own queries, layer by layer</source>
        <translation>；
解码词元按自己的查询逐层选择</translation>
    </message>
    <message>
        <source>;
where attention is flat, pages that are not read take part with their mean values</source>
        <translation>；
注意力平坦处，未读的页以其平均值参与</translation>
    </message>
    <message>
        <source>Experts: each token takes the number of its layer: %1</source>
        <translation>专家：每个词元使用所在层的数目：%1</translation>
    </message>
    <message>
        <source>%1 (by layer)</source>
        <translation>%1（按层）</translation>
    </message>
    <message>
        <source>, moved so that the mean of each layer is %1</source>
        <translation>，并调整使各层平均为 %1</translation>
    </message>
    <message>
        <source>, from %1 to %2 of them</source>
        <translation>，每个词元 %1 到 %2 个</translation>
    </message>
    <message>
        <source>, at least %1</source>
        <translation>，至少 %1 个</translation>
    </message>
    <message>
        <source>, at least %1, at most %2</source>
        <translation>，至少 %1 个，至多 %2 个</translation>
    </message>
    <message>
        <source>;
a semantic router predicts what a token needs, with the weight %1</source>
        <translation>；
语义路由器预测词元的需要，权重 %1</translation>
    </message>
    <message>
        <source>;
a new expert is escorted</source>
        <translation>；
正在护送一个新专家</translation>
    </message>
    <message>
        <source>;
frozen prices from a file move the choice</source>
        <translation>；
文件中的冻结价格影响选择</translation>
    </message>
    <message>
        <source>attention %1</source>
        <translation>注意力 %1</translation>
    </message>
    <message>
        <source>experts %1</source>
        <translation>专家 %1</translation>
    </message>
    <message>
        <source>;
the policy&apos;s semantic router is left out: it was trained for a model of another shape</source>
        <translation>；
未使用策略中的语义路由器：它是为另一种形状的模型训练的</translation>
    </message>
</context>
<context>
    <name>fovea::TranscriptView</name>
    <message>
        <source>token %1, id %2, %3</source>
        <translation>词元 %1，编号 %2，%3</translation>
    </message>
    <message>
        <source>Copy all &amp;text</source>
        <translation>复制全文(&amp;T)</translation>
    </message>
    <message>
        <source>Copy this &amp;token</source>
        <translation>复制此词元(&amp;T)</translation>
    </message>
</context>
<context>
    <name>fovea::calibration</name>
    <message>
        <source>Measuring without the prices</source>
        <translation>测量无价格的结果</translation>
    </message>
    <message>
        <source>Evening the load</source>
        <translation>均衡负载</translation>
    </message>
    <message>
        <source>Measuring with the prices</source>
        <translation>测量有价格的结果</translation>
    </message>
</context>
<context>
    <name>fovea::compare</name>
    <message>
        <source>Loading the model</source>
        <translation>正在加载模型</translation>
    </message>
    <message>
        <source>Scoring the text</source>
        <translation>正在为文本评分</translation>
    </message>
    <message>
        <source>Prefill speed</source>
        <translation>预填充速度</translation>
    </message>
    <message>
        <source>Decode speed</source>
        <translation>解码速度</translation>
    </message>
    <message>
        <source>First token</source>
        <translation>首个词元</translation>
    </message>
    <message>
        <source>Decoding</source>
        <translation>解码用时</translation>
    </message>
    <message>
        <source>KV cache</source>
        <translation>KV 缓存</translation>
    </message>
    <message>
        <source>Bytes per decoded token</source>
        <translation>每个解码词元的字节数</translation>
    </message>
    <message>
        <source>of these, experts</source>
        <translation>其中专家</translation>
    </message>
    <message>
        <source>Experts per token</source>
        <translation>每词元专家数</translation>
    </message>
    <message>
        <source>CV of experts</source>
        <translation>专家变异系数</translation>
    </message>
    <message>
        <source>Utilization of experts</source>
        <translation>专家利用率</translation>
    </message>
    <message>
        <source>Entropy of experts</source>
        <translation>专家熵</translation>
    </message>
    <message>
        <source>Attention density, decode</source>
        <translation>注意力密度（解码）</translation>
    </message>
    <message>
        <source>Attention operations, decode</source>
        <translation>注意力运算量（解码）</translation>
    </message>
    <message>
        <source>Perplexity of the scored text</source>
        <translation>评分文本的困惑度</translation>
    </message>
    <message>
        <source>Tokens generated</source>
        <translation>生成的词元</translation>
    </message>
    <message>
        <source>%1 tokens</source>
        <translation>%1 个词元</translation>
    </message>
    <message>
        <source>seed %1</source>
        <translation>种子 %1</translation>
    </message>
    <message>
        <source>not recorded</source>
        <translation>未记录</translation>
    </message>
    <message>
        <source>Neither the policy nor anything else differs.</source>
        <translation>策略和其他方面都没有差别。</translation>
    </message>
    <message>
        <source>Nothing but the policy differs.</source>
        <translation>只有策略不同。</translation>
    </message>
    <message>
        <source>model</source>
        <translation>模型</translation>
    </message>
    <message>
        <source>device</source>
        <translation>设备</translation>
    </message>
    <message>
        <source>driver</source>
        <translation>驱动</translation>
    </message>
    <message>
        <source>prompt</source>
        <translation>提示</translation>
    </message>
    <message>
        <source>seed</source>
        <translation>种子</translation>
    </message>
    <message>
        <source>number of tokens asked for</source>
        <translation>要求的词元数</translation>
    </message>
    <message>
        <source>context</source>
        <translation>上下文</translation>
    </message>
    <message>
        <source>what was recorded while speed was measured</source>
        <translation>测速时记录的内容</translation>
    </message>
    <message>
        <source>sampling</source>
        <translation>采样</translation>
    </message>
    <message>
        <source>Beside the policy differ: %1.</source>
        <translation>除策略外还有不同：%1。</translation>
    </message>
    <message>
        <source>, </source>
        <comment>between parts of a list</comment>
        <translation>、</translation>
    </message>
    <message>
        <source>Memory, without recording</source>
        <translation>内存，不含记录</translation>
    </message>
    <message>
        <source>Memory at most, with recording</source>
        <translation>内存峰值，含记录</translation>
    </message>
    <message>
        <source>Fovea: two runs compared</source>
        <translation>Fovea：两次运行的比较</translation>
    </message>
    <message>
        <source>Two runs compared</source>
        <translation>两次运行的比较</translation>
    </message>
    <message>
        <source>Figures</source>
        <translation>数据</translation>
    </message>
    <message>
        <source>Figure</source>
        <translation>数据</translation>
    </message>
    <message>
        <source>relative</source>
        <translation>相对</translation>
    </message>
    <message>
        <source>%1 (derived)</source>
        <translation>%1（推导值）</translation>
    </message>
    <message>
        <source>%1 tok/s</source>
        <translation>%1 词元/秒</translation>
    </message>
    <message>
        <source>Predictions on one text</source>
        <translation>同一文本上的预测</translation>
    </message>
    <message>
        <source>On %1, %2 tokens from token %3 on: KL divergence of B from A %4 nats on average (99 %: %5), the same most likely token in %6, perplexity %7 → %8 (%9).</source>
        <translation>文本：%1，从词元 %3 起的 %2 个词元。B 相对 A 的 KL 散度平均 %4 奈特（99 %：%5），最可能词元相同的占 %6，困惑度 %7 → %8（%9）。</translation>
    </message>
    <message>
        <source>Not measured.</source>
        <translation>未测量。</translation>
    </message>
    <message>
        <source>KL divergence, nats</source>
        <translation>KL 散度，奈特</translation>
    </message>
    <message>
        <source>Texts</source>
        <translation>文本</translation>
    </message>
    <message>
        <source>They part at token %1, which is framed.</source>
        <translation>两段文本从词元 %1 起不同，该词元加了框。</translation>
    </message>
    <message>
        <source>The same tokens.</source>
        <translation>词元相同。</translation>
    </message>
    <message>
        <source>Time per token</source>
        <translation>每词元时间</translation>
    </message>
    <message>
        <source>token</source>
        <translation>词元</translation>
    </message>
    <message>
        <source>ms</source>
        <translation>毫秒</translation>
    </message>
    <message>
        <source>MiB</source>
        <translation>MiB</translation>
    </message>
    <message>
        <source>experts, mean over layers</source>
        <translation>专家数，各层平均</translation>
    </message>
    <message>
        <source>Numbers of experts</source>
        <translation>专家数分布</translation>
    </message>
    <message>
        <source>experts used</source>
        <translation>使用的专家数</translation>
    </message>
    <message>
        <source>% of tokens and layers</source>
        <translation>占词元与层的 %</translation>
    </message>
    <message>
        <source>expert</source>
        <translation>专家</translation>
    </message>
    <message>
        <source>% of calls</source>
        <translation>占调用的 %</translation>
    </message>
    <message>
        <source>Frontier on %1, %2 tokens</source>
        <translation>前沿：%1，%2 个词元</translation>
    </message>
    <message>
        <source>bytes of experts a decoded token reads, % of the model&apos;s own choice (derived)</source>
        <translation>解码一个词元读取的专家字节数，占模型自身选择的 %（推导值）</translation>
    </message>
    <message>
        <source>perplexity over the model&apos;s own choice, %</source>
        <translation>相对模型自身选择的困惑度，%</translation>
    </message>
    <message>
        <source>experts</source>
        <translation>专家</translation>
    </message>
    <message>
        <source>mean k</source>
        <translation>平均 k</translation>
    </message>
    <message>
        <source>bytes of experts</source>
        <translation>专家字节数</translation>
    </message>
    <message>
        <source>perplexity</source>
        <translation>困惑度</translation>
    </message>
    <message>
        <source>over the model&apos;s own choice</source>
        <translation>相对模型自身选择</translation>
    </message>
    <message>
        <source>Derived figures are counted from shapes and recorded choices, not measured. Errors are one standard error of the paired difference.</source>
        <translation>推导值由形状和记录的选择算出，并非测量。误差为配对差的一个标准误。</translation>
    </message>
    <message>
        <source>the tokens of A</source>
        <translation>A 的词元</translation>
    </message>
    <message>
        <source>en</source>
        <comment>the language of a page, as HTML&apos;s lang has it</comment>
        <translation>zh-CN</translation>
    </message>
</context>
<context>
    <name>fovea::device</name>
    <message>
        <source>rows</source>
        <translation>按行</translation>
    </message>
    <message>
        <source>workgroup matrices</source>
        <translation>工作组矩阵</translation>
    </message>
    <message>
        <source>subgroup matrices</source>
        <translation>子组矩阵</translation>
    </message>
    <message>
        <source>tiles in registers</source>
        <translation>寄存器分块</translation>
    </message>
    <message>
        <source>apart</source>
        <translation>分开</translation>
    </message>
    <message>
        <source>folded</source>
        <translation>合并</translation>
    </message>
    <message>
        <source>a CPU driver multiplies floats as fast as it reads weights</source>
        <translation>CPU 驱动的浮点乘法与读取权重一样快</translation>
    </message>
    <message>
        <source>a CPU driver multiplies floats as fast as it reads weights, but for the output matrix: a copy with eight rows side by side is quicker, in 8 bits</source>
        <translation>CPU 驱动的浮点乘法与读取权重一样快，输出矩阵除外：将其每八行并排另存一份，以 8 位计算更快</translation>
    </message>
    <message>
        <source>the device has packed integer dot products; floats would be several times slower in decoding</source>
        <translation>设备有打包的整数点积；解码时用浮点数会慢数倍</translation>
    </message>
    <message>
        <source>the device has no packed integer dot products</source>
        <translation>设备没有打包的整数点积</translation>
    </message>
    <message>
        <source>a CPU driver has no shared memory that would pay: an invocation takes a row for up to 8 tokens</source>
        <translation>CPU 驱动没有用得上的共享内存：每个调用处理一行，最多 8 个词元</translation>
    </message>
    <message>
        <source>matrix cores multiply halves for whole workgroups (NV_cooperative_matrix2)</source>
        <translation>矩阵核心为整个工作组做半精度乘法（NV_cooperative_matrix2）</translation>
    </message>
    <message>
        <source>matrix cores multiply 16 x 16 x 16 halves for subgroups (KHR_cooperative_matrix)</source>
        <translation>矩阵核心为子组做 16 x 16 x 16 的半精度乘法（KHR_cooperative_matrix）</translation>
    </message>
    <message>
        <source>the device has no matrix cores that multiply halves and sum as float</source>
        <translation>设备没有以半精度相乘、以单精度求和的矩阵核心</translation>
    </message>
    <message>
        <source>on a CPU driver a dispatch is cheaper than work that every workgroup does again</source>
        <translation>在 CPU 驱动上，一次调度比每个工作组重复计算更省</translation>
    </message>
    <message>
        <source>on a GPU a step behind a barrier costs microseconds however little it does: norms, the choice of experts and rotary positions are part of the products behind them</source>
        <translation>在 GPU 上，屏障之后的一步无论多小都要数微秒：归一化、专家选择与旋转位置并入其后的乘法</translation>
    </message>
    <message>
        <source>as f16 a run of the whole context fits into the %1 GiB that may be taken of the device&apos;s memory: weights %2, keys and values %3, all %4 GiB (derived)</source>
        <translation>以 f16 运行整个上下文放得进设备内存中可用的 %1 GiB：权重 %2，键和值 %3，合计 %4 GiB（推得）</translation>
    </message>
    <message>
        <source>as f16 a run of the whole context does not fit into the %1 GiB that may be taken of the device&apos;s memory: weights %2, keys and values %3, all %4 GiB (derived)</source>
        <translation>以 f16 运行整个上下文放不进设备内存中可用的 %1 GiB：权重 %2，键和值 %3，合计 %4 GiB（推得）</translation>
    </message>
    <message>
        <source>prompt tokens of a submission; a CPU driver gains nothing by more</source>
        <translation>每次提交的提示词元数；对 CPU 驱动而言更多并无益处</translation>
    </message>
    <message>
        <source>prompt tokens of a submission; as many as keep a GPU busy with activations of at most a sixteenth of its %1 GiB</source>
        <translation>每次提交的提示词元数；足以让 GPU 忙碌，而激活值最多占其 %1 GiB 的十六分之一</translation>
    </message>
    <message>
        <source>prompt tokens of a submission; as many as keep a GPU busy with activations of at most a sixteenth of its %1 GiB; more than 1,024 help experts alone</source>
        <translation>每次提交的提示词元数；足以让 GPU 忙碌，而激活值最多占其 %1 GiB 的十六分之一；超过 1,024 只对专家有益</translation>
    </message>
    <message>
        <source>chosen: the only device</source>
        <translation>选用：唯一的设备</translation>
    </message>
    <message>
        <source>chosen: the only usable device</source>
        <translation>选用：唯一可用的设备</translation>
    </message>
    <message>
        <source>chosen: asked for by its number</source>
        <translation>选用：按编号指定</translation>
    </message>
    <message>
        <source>chosen: the %1 device</source>
        <translation>选用：%1设备</translation>
    </message>
    <message>
        <source>chosen: the %1 device with the most memory</source>
        <translation>选用：内存最多的%1设备</translation>
    </message>
    <message>
        <source>chosen: the %1 device that comes first among equals</source>
        <translation>选用：同等设备中的第一个%1设备</translation>
    </message>
    <message>
        <source>cpu</source>
        <translation>CPU </translation>
    </message>
    <message>
        <source>discrete</source>
        <translation>独立</translation>
    </message>
    <message>
        <source>integrated</source>
        <translation>集成</translation>
    </message>
    <message>
        <source>virtual</source>
        <translation>虚拟</translation>
    </message>
    <message>
        <source>other</source>
        <translation>其他</translation>
    </message>
    <message>
        <source>KV cache</source>
        <translation>KV 缓存</translation>
    </message>
    <message>
        <source>Activations</source>
        <translation>激活值</translation>
    </message>
    <message>
        <source>Prompt batch</source>
        <translation>提示批大小</translation>
    </message>
    <message>
        <source>Prompt products</source>
        <translation>提示的矩阵乘法</translation>
    </message>
    <message>
        <source>Steps of decoding</source>
        <translation>解码的步骤</translation>
    </message>
    <message>
        <source>%1, as you asked</source>
        <translation>%1，按您的选择</translation>
    </message>
    <message>
        <source>Expert weights</source>
        <translation>专家权重</translation>
    </message>
    <message>
        <source>stored they take %1 MiB and may take %2; %3 are taken, with the least use x relative error for each byte saved; the worst tensor is off by %4 % of its size</source>
        <translation>原存占 %1 MiB，可用 %2；现占 %3，使每节省一字节的“使用率 x 相对误差”最小；最差的张量误差为其大小的 %4 %</translation>
    </message>
    <message>
        <source>stored they take %1 MiB and may take %2, which is what the device&apos;s memory has left (derived); %3 are taken, with the least use x relative error for each byte saved; the worst tensor is off by %4 % of its size</source>
        <translation>原存占 %1 MiB，可用 %2，即设备内存所余（推得）；现占 %3，使每节省一字节的“使用率 x 相对误差”最小；最差的张量误差为其大小的 %4 %</translation>
    </message>
</context>
<context>
    <name>fovea::export</name>
    <message>
        <source>Save as</source>
        <translation>另存为</translation>
    </message>
    <message>
        <source>Not saved</source>
        <translation>未保存</translation>
    </message>
    <message>
        <source>%1 cannot be written. Name a file in a folder that can be, with room on its disk.</source>
        <translation>无法写入 %1。请选择可写且磁盘有空间的文件夹。</translation>
    </message>
    <message>
        <source>&amp;Copy the picture</source>
        <translation>复制图片(&amp;C)</translation>
    </message>
    <message>
        <source>Save as &amp;PNG…</source>
        <translation>另存为 PNG(&amp;P)…</translation>
    </message>
    <message>
        <source>Save as &amp;SVG…</source>
        <translation>另存为 SVG(&amp;S)…</translation>
    </message>
    <message>
        <source>Save as CS&amp;V…</source>
        <translation>另存为 CSV(&amp;V)…</translation>
    </message>
    <message>
        <source>Save as P&amp;DF…</source>
        <translation>另存为 PDF(&amp;D)…</translation>
    </message>
    <message>
        <source>Copy the d&amp;ata</source>
        <translation>复制数据(&amp;A)</translation>
    </message>
</context>
<context>
    <name>fovea::format</name>
    <message>
        <source>tok/s</source>
        <translation>词元/秒</translation>
    </message>
</context>
<context>
    <name>fovea::lengths</name>
    <message>
        <source>Loading the model</source>
        <translation>正在加载模型</translation>
    </message>
    <message>
        <source>Measuring contexts</source>
        <translation>正在测量各长度</translation>
    </message>
</context>
<context>
    <name>fovea::load</name>
    <message>
        <source>Reading the file</source>
        <translation>读取文件</translation>
    </message>
    <message>
        <source>Opening the device</source>
        <translation>打开设备</translation>
    </message>
    <message>
        <source>Uploading weights</source>
        <translation>上传权重</translation>
    </message>
    <message>
        <source>Building pipelines</source>
        <translation>构建管线</translation>
    </message>
</context>
<context>
    <name>fovea::policy</name>
    <message>
        <source>sparse %1 + up to %2</source>
        <translation>稀疏 %1 + 至多 %2</translation>
    </message>
    <message>
        <source>sparse %1 + %2 on average</source>
        <translation>稀疏 %1 + 平均 %2</translation>
    </message>
    <message>
        <source>sparse %1 + %2</source>
        <translation>稀疏 %1 + %2</translation>
    </message>
    <message>
        <source>layers %1</source>
        <translation>层 %1</translation>
    </message>
    <message>
        <source>dynamic</source>
        <translation>动态</translation>
    </message>
    <message>
        <source>static</source>
        <translation>静态</translation>
    </message>
    <message>
        <source>escort</source>
        <translation>护送</translation>
    </message>
    <message>
        <source>semantic router</source>
        <translation>语义路由器</translation>
    </message>
    <message>
        <source>chosen every %1</source>
        <translation>每 %1 个选一次</translation>
    </message>
    <message>
        <source>even heads</source>
        <translation>各头均分</translation>
    </message>
    <message>
        <source>%1–%2%3 by layer</source>
        <translation>%1–%2%3（按层）</translation>
    </message>
    <message>
        <source>dense</source>
        <translation>稠密</translation>
    </message>
    <message>
        <source>largest %1 of a row</source>
        <translation>每行最大的 %1</translation>
    </message>
    <message>
        <source>sparse</source>
        <translation>稀疏</translation>
    </message>
</context>
<context>
    <name>fovea::token_class</name>
    <message>
        <source>word begins</source>
        <translation>词首</translation>
    </message>
    <message>
        <source>inside a word</source>
        <translation>词内</translation>
    </message>
    <message>
        <source>CJK</source>
        <translation>中日韩</translation>
    </message>
    <message>
        <source>digits</source>
        <translation>数字</translation>
    </message>
    <message>
        <source>punctuation</source>
        <translation>标点</translation>
    </message>
    <message>
        <source>space</source>
        <translation>空白</translation>
    </message>
    <message>
        <source>other</source>
        <translation>其他</translation>
    </message>
</context>
</TS>
