"""A second functional suite: sentences put together from clauses and frames, in our own words, for what the first one
(`functional.py`) leaves weak: counter-speech, quotation, negation, targets that hate law does not protect, words with two senses.

A frame says what is done with a clause: quoted and rejected, quoted and cheered, denied. The same clause stands in frames of
both marks, so that neither the clause nor the quotation mark alone decides. Every third frame and every third filler is kept
apart: held-out sentences are held-out frames over held-out fillers, and choose nothing. No frame that is trained on, with any
clause in it, is within 0.8 (`difflib`, words, slots alike) of a held-out template of `functional.py`, but for four short pairs
of other abilities ("God I despise {O}" beside "I despise {N}").

Slots as in `functional.py`, and: {H} a hateful clause, {BAD}, {GOOD} adjectives or nouns for a group, {HARMED} a participle
("beaten up"), {HARM} the verb ("beat up"), {GIVEN} what a decent society grants ("listened to"), {X} an insult for one person,
{D} somebody or something that one reports to, {NAME} a first name."""

import random

import functional

BAD = [
    "stupid", "dirty", "lazy", "dangerous", "disgusting", "worthless", "criminals", "liars", "inferior", "vermin", "a disease", "animals", "scum", "thieves",
    "parasites", "evil", "perverts", "trash", "savages", "a plague", "rapists", "filth", "weak", "greedy", "violent", "crazy", "a threat to this country",
    "subhuman", "freaks", "monsters", "useless", "gross", "dumb", "terrorists", "a burden", "cockroaches", "rats", "sick in the head", "backward", "abnormal", "unclean", "an invasion",
]
GOOD = [
    "human", "equal to us", "welcome here", "worth our time", "normal", "smart enough for this job", "capable of love", "honest", "good neighbours", "clean",
    "trustworthy", "real citizens", "civilised", "worthy of respect", "fit to raise children", "able to think", "decent", "like us", "of any value",
    "part of our nation", "good for anything", "people I would trust", "proper men and women", "worth saving", "real Europeans", "fit to live among us", "innocent",
]
PRAISE = [
    "lovely", "kind", "brilliant", "beautiful", "fantastic", "brave", "amazing", "generous", "hard-working", "wonderful company", "a blessing", "heroes", "so talented", "funny", "my favourite people",
    "valued members of our community", "welcome in this house", "an inspiration", "the heart of this town", "full of love", "super cool", "gorgeous", "the best",
]
HARMED = [
    "beaten up", "shot", "deported", "locked up", "killed", "wiped out", "burned alive", "thrown out", "hanged", "sterilised", "gassed", "enslaved", "kicked out of the country", "tortured",
    "exterminated", "run over", "spat at", "drowned", "stoned", "rounded up", "put down like dogs", "whipped", "raped", "banned from public places", "erased", "punched in the face", "hunted", "starved",
]
HARM = [
    "beat up", "shoot", "kill", "lock up", "wipe out", "hunt down", "stab", "get rid of", "burn", "attack", "hurt", "strangle", "torture", "murder", "hang", "execute", "run over", "punch", "slap", "spit on", "throw out", "exterminate", "humiliate", "gas",
]
GIVEN = [
    "listened to", "allowed to vote", "treated as equals", "let into the country", "hired", "trusted", "allowed to marry", "given rights", "protected by the law", "allowed near children", "respected", "taken seriously",
    "allowed to live here", "helped", "seen in public", "allowed in our schools", "paid the same", "called human", "allowed to breathe our air", "forgiven", "fed", "allowed to speak",
]
INSULT = ["idiot", "moron", "clown", "liar", "creep", "jerk", "loser", "bastard", "asshole", "piece of shit", "coward", "dickhead", "prick", "hypocrite", "snake", "scumbag", "twat", "imbecile", "waste of space", "fool", "cheat", "pig", "dumbass", "rat"]
NAMES = ["Kevin", "Tom", "Laura", "my boss", "Dave", "the referee", "Jenny", "my ex", "that waiter", "our coach", "Mike", "her brother", "Steve", "my flatmate", "the plumber"]
DESK = ["the moderators", "HR", "the police", "an admin", "the teacher", "support", "the council", "my manager", "the press", "my lawyer", "the school", "the platform"]
UNPROTECTED = [
    "estate agents", "tourists", "bankers", "CEOs", "smokers", "Tory voters", "liberals", "republicans", "socialists", "anarchists", "bodybuilders", "stockbrokers", "drunk drivers", "burglars", "murderers", "spammers",
    "bots", "hackers", "hunters", "dog owners", "cat people", "ravens fans", "Arsenal fans", "metalheads", "plumbers", "surgeons", "cops", "soldiers", "spies", "actors", "painters", "engineers", "pensions advisers", "conspiracy nuts", "flat-earthers",
    "climate deniers", "oil bosses", "monarchists", "traffic wardens", "crypto bros", "marketing people", "ticket touts", "fraudsters", "rapists", "child abusers", "nazis", "racists", "fascists", "bullies", "sexists",
]
OBJECTS = [
    "my toaster", "this bus line", "Excel", "olives", "that lamp", "rain", "the tax form", "this mattress", "the new logo", "my alarm", "JavaScript", "queueing", "cheap wine", "those curtains", "the stairs", "polyester", "plastic straws", "that advert",
    "the neighbour's leaf blower", "Tuesdays", "this haircut", "wet socks", "country music", "the parking app", "boiled cabbage", "sequels", "raisins", "my inbox", "the ticket machine", "wasps", "weeds", "dust",
]

# Hateful clauses that can be quoted, cheered or denied.
CLAUSES = [
    "{P} are {BAD}", "{P} should be {HARMED}", "we should {HARM} {P}", "all {P} are {BAD}", "{P} must be {HARMED}", "{P} don't deserve to be {GIVEN}", "{P} are not {GOOD}", "somebody ought to {HARM} {P}", "{P} are ruining this country",
    "I hate {P}", "{P} deserve to be {HARMED}", "{P} have to disappear", "the world needs fewer {P}", "{P} cannot be {GOOD}", "it is fine to {HARM} {P}", "{P} were born {BAD}", "{A} people are {BAD}", "{P} make me sick",
    "there are too many {P} here", "{A} people should never be {GIVEN}", "{P} bring nothing but crime", "every {A} person is {BAD}", "no {A} person should be {GIVEN}", "I can't stand {P}",
]

FRAMES = {
    "counter_quote": (0, [
        "\"{H}\". Only a bigot writes such a thing.", "Saying that {H} is cruel and false", "He told the whole class that {H}. We reported him to {D}.", "Whoever believes that {H} has lost all decency", "Claiming {H} does not make you brave, it makes you a bigot",
        "\"{H}\"?! That kind of talk is not okay", "I can't believe someone just posted \"{H}\"", "To say {H} is awful", "my colleague said \"{H}\". I am still shocked", "Nobody should get away with writing \"{H}\"",
        "It is hateful to suggest that {H}", "I blocked a guy who wrote: {H}", "Statements like \"{H}\" have no place in this chat", "If you think {H}, please get some help", "they wrote '{H}' on my locker and I cried all day",
        "\"{H}\" is exactly the sort of hate that we ban here", "The idea that {H} is repulsive", "He wrote '{H}', that is not okay", "When people tell me that {H} I walk away", "A man on the train yelled \"{H}\" and everyone told him to shut up",
        "Teaching children that {H} is a crime against them", "You really just said {H}? Shame on you.", "I got this message: \"{H}\". Can {D} do something?", "Thinking that {H} is plain ignorance", "Politicians who say {H} should resign",
        "she was sacked after she tweeted \"{H}\", and rightly so", "It's disgusting to claim that {H}", "Telling people that {H} is bullying", "I don't want to read \"{H}\" ever again in this group", "Not one fact supports the lie that {H}",
        "Some troll keeps commenting \"{H}\", please ban him", "He believed that {H} until he met some. Now he is ashamed of it.", "\"{H}\" they said. They could not have been more wrong.", "how dare he say {H}", "the judge called the sentence \"{H}\" incitement",
        "Anyone shouting \"{H}\" gets removed from the stadium", "our rules forbid things like \"{H}\"", "those who say {H} do not speak for us", "Why is nobody stopping the people who write {H}?", "what sort of person says that {H}?", "It hurts to hear that {H}",
        "I reported the comment \"{H}\" to {D}", "the movement that taught that {H} ended in mass graves", "Writing \"{H}\" under a photo of a kid, how low can you sink",
    ]),
    "quote_agreed": (1, [
        "He wrote \"{H}\" and he is right", "\"{H}\" - couldn't agree more", "My dad always said {H}, wise man", "Finally someone says it: {H}", "People call it hate speech when I say {H}, but it's true", "Everyone with eyes knows that {H}",
        "It is not hateful to say that {H}, it is honest", "I got banned for saying {H} and I'd say it again", "like my grandfather said: {H}", "I totally agree with the guy who wrote {H}", "\"{H}\" is the truest sentence I read all week", "you know what? {H}",
        "They don't want you to hear that {H}", "Shame on everyone who denies that {H}", "I'm not racist, but {H}", "Let me be clear: {H}", "Report me if you want, {H}", "history shows that {H}", "As far as I'm concerned {H}", "we have to teach our kids that {H}",
        "It's not okay to say it out loud, but {H}", "I will keep saying that {H}", "sorry not sorry: {H}", "wake up people, {H}", "ban me, I don't care: {H}", "if you ask me {H}", "the sad truth is that {H}",
    ]),
    "counter_direct": (0, [
        "Your comment about {P} is vile, take it down", "Leave {P} in peace", "People who {HARM} {P} belong in prison", "Wanting to {HARM} {P} is sick", "Why would anyone {HARM} {P}? They did nothing to you", "Whoever wants {P} {HARMED} is a monster",
        "Treating {P} like dirt is never acceptable", "That joke about {P} was in very poor taste", "You hate {P}? Then this group is not for you.", "Don't you dare {HARM} {P}", "Calling for violence against {P} gets you banned", "I reported your hate against {P} to {D}",
        "Everyone who wants to {HARM} {P} will have to get past me", "stop making fun of {P}, it's cruel", "your racism towards {P} makes me sick", "Thugs tried to {HARM} {A} kids again last night. When does this end?", "Spreading hate about {P} only shows how small you are",
        "Being nasty to {P} won't make your life better", "It's sad that {P} still get {HARMED} in this country", "Those who attack {P} attack all of us", "prejudice against {P} is still far too common", "You have no right to talk about {P} like that",
        "Denying {P} their rights is a disgrace", "I am fed up with people insulting {P}", "we do not tolerate insults against {P}", "How can you be so hateful to {P}?", "He was arrested because he wanted to {HARM} {P}", "{P} get abused here every day and nobody does a thing",
        "The hatred that {P} face is heartbreaking", "Mocking {P} is not humour", "if you have a problem with {P}, the problem is you", "Thousands marched against the hatred of {P}", "the law protects {P} from people like you", "Please delete that slur about {P}",
        "I'm ashamed of relatives who look down on {P}", "Harassing {P} is against our rules", "Nobody should be {HARMED} because they are {A}", "Too many {P} have been {HARMED}, we must protect them", "refusing to hire {P} is illegal", "My heart goes out to {P} who were {HARMED}",
        "Picking on {P} makes you a coward", "No one who spits on {P} is a friend of mine", "The attack on {P} was a cowardly crime", "you bigots should stop scapegoating {P}", "I despise anyone who despises {P}", "fuck everyone who hates {P}", "People like you who hate {P} disgust me",
        "I hate it when people are cruel to {P}", "your kind of hate killed {P} in the past", "hate towards {P} is not an opinion", "Excluding {P} is unfair",
    ]),
    "counter_mocked": (1, [
        "stop defending {P}, they are {BAD}", "Nobody should stand up for {P}", "Everyone who helps {P} is a traitor", "I am fed up with people who protect {P}", "Being kind to {P} is a mistake, they are {BAD}", "You love {P}? Then get {HARMED} with them",
        "whoever wants {P} {GIVEN} is insane", "Why would anyone help {P}?", "Don't you dare let {P} in here", "hating {P} is the right thing to do", "People who support {P} should be {HARMED} too", "the law protects {P} far too much, they are {BAD}",
        "Discriminating against {P} is just common sense", "it is not wrong to hate {P}", "leave {P} to rot", "I'm proud of everyone who attacks {P}", "It's sad that {P} are still allowed to live", "There is nothing wrong with insulting {P}", "{P} deserve all the hate they get",
        "Violence against {P} is justified", "I laughed when {P} were {HARMED}", "pity that they did not {HARM} more {P}", "Hate against {P} is self-defence", "Thank god someone finally tried to {HARM} {P}",
    ]),
    "negated_nonhate": (0, [
        "{P} are not {BAD}", "I don't think {P} are {BAD}", "{P} should not be {HARMED}", "No {A} person deserves to be {HARMED}", "It is not true that {H}", "I would never {HARM} {P}", "nobody has the right to {HARM} {P}", "{P} aren't {BAD} at all", "Nobody may be {HARMED} for being {A}",
        "I never said that {H}", "You must not {HARM} {P}", "{P} have never been {BAD}", "We don't want to {HARM} {P}, we want to talk", "It's a myth that {H}", "I can't hate {P}", "There's no reason to {HARM} {P}", "no, {P} are neither {BAD} nor {BAD2}", "I don't agree that {H}",
        "Being {A} doesn't make anyone {BAD}", "{P} do not want to harm you", "it isn't okay to {HARM} {P}", "{P} were not {BAD}, we were wrong about them", "Hating {P} is not something I could ever do", "{A} people aren't {BAD}", "No one here hates {P}", "{P} must never be {HARMED} again",
        "I do not hate {A} people, I grew up with them", "don't believe those who say {P} are {BAD}", "Not a single {A} person I know is {BAD}", "we shouldn't let anybody {HARM} {P}", "I don't mind {P} at all", "There is no evidence that {P} are {BAD}",
    ]),
    "negated_hate": (1, [
        "{P} are not {GOOD}", "{P} should not be {GIVEN}", "No {A} person is {GOOD}", "I don't think {P} are {GOOD}", "{P} must never be {GIVEN}", "{P} will never be {GOOD}", "{P} aren't {GOOD} and never were", "We can't let {P} be {GIVEN}", "{P} don't deserve to be {GIVEN}",
        "You can't expect {P} to be {GOOD}", "Nobody wants {P} to be {GIVEN}", "There are no {P} that are {GOOD}", "{A} people can't be {GOOD}", "I don't want {P} anywhere near me", "it isn't right that {P} are {GIVEN}", "I wouldn't care if {P} were {HARMED}", "{P} do nothing but harm",
        "Never let {P} be {GIVEN}", "I don't see {P} as {GOOD}", "{P} do not count as {GOOD}", "Not one of these {P} is {GOOD}", "I won't shed a tear if {P} get {HARMED}", "no one will miss {P} when they are {HARMED}", "It's not a crime to {HARM} {P}", "I have no respect for {P}", "Don't tell me that {P} are {GOOD}",
        "we never asked for {P} in our street", "nothing about {P} is {GOOD}",
    ]),
    "hate_clause": (1, [
        "{H}", "{H}!", "{H}, simple as that", "{H} lol", "{H} and that's that", "seriously, {H}", "{H}. Every single one.", "omg {H}", "{H} and everybody knows it", "{H}, change my mind", "ugh, {H}", "honestly {H} imo", "why can't we all admit that {H}?", "Isn't it obvious that {H}?", "{A} guys are {BAD}",
        "you {A} people are {BAD}", "I'd love to {HARM} {P}", "I will {HARM} {P}", "Let's {HARM} every {A} person in town", "We are going to {HARM} {P}", "When do we {HARM} the {P}?", "what {BAD} {P} are", "go and {HARM} some {P}", "being {A} means being {BAD}",
    ]),
    "pronoun_hate": (1, [
        "{P} again. They should be {HARMED}.", "Have you met {P}? They are {BAD}.", "I know {P}. I want to {HARM} them.", "You like {P}? I think they're {BAD}", "{P} moved into our street, and I'm going to {HARM} them", "{P}? We must {HARM} them all", "There are {P} at my work, and they're all {BAD}",
        "look at {P}, they are not {GOOD}", "She is {A}. {BAD} like the rest of them.", "{P} are in the news. I hope they get {HARMED}", "They are {A}, so they're {BAD}", "I saw {P} in the park and I wished someone would {HARM} them",
    ]),
    "identity_neutral": (0, [
        "{P} live on my street", "I have a lot of {A} friends", "I met {S} at the gym", "Our teacher was {S}", "Some {P} are in my choir", "a film about {P} won the prize", "What do {P} think of the new law?", "My son's best mate is {A}", "he asked me if I was {A}", "I'm {A}, 32, from Bristol", "We interviewed {P} for the podcast",
        "there is {S} in my class", "I don't know many {P}", "{P} and their families came to the picnic", "I am {S} and new here", "The course is open to {P}", "is anyone else here {A}?", "The bakery is run by {S}", "a book written by {S}", "My cousin turned out to be {A}", "she only dates {A} guys", "The meeting for {P} is on Monday",
        "{P} use this app too", "half of the {P} in the study were under 30", "it's the year in which {P} got the vote", "You look {A}, where is your family from?", "my wife is {A} and I'm not", "I wrote my thesis about {P}", "When I was a child we had {A} neighbours", "{S} helped me with the shopping", "how do {P} celebrate New Year?", "i love my {A} boyfriend", "in this photo you can see {P}",
        "I'm looking for {S} to date", "what's it like to be {A}?", "The hospital hired {P}",
    ]),
    "identity_positive": (0, [
        "{P} are {PRAISE}", "I think {P} are {PRAISE}", "all the {P} I know are {PRAISE}", "{A} people are {PRAISE}", "{P} should be {GIVEN}", "{P} have every right to be {GIVEN}", "{P} deserve to be {GIVEN}", "how {PRAISE} {P} are!", "I am so glad that {P} are finally {GIVEN}", "let's make sure {P} are {GIVEN}", "{P} are {PRAISE}, full stop",
        "It makes me happy to see {P} being {GIVEN}", "You are {A} and {PRAISE}", "{P} are as {GOOD} as anyone", "My {A} friends are {PRAISE}", "We want {P} to be {GIVEN}", "Long live {P}!", "hugs to all {P} today", "I'd love to have more {P} in my life", "every {A} person is {PRAISE} in their own way", "Of course {P} are {GOOD}", "I have deep respect for {P}",
        "Yay for {P}", "{P} rock", "I support {P}", "thanks to {P} our team won", "{A} and proud, that's me", "I really enjoy the company of {P}", "There is nothing better than {A} people", "Lovely to see so many {P} here",
    ]),
    "hate_unprotected": (0, [
        "{N} are {BAD}", "I hate {N}", "{N} should be {HARMED}", "all {N} are {BAD}", "{N} make me sick", "we should {HARM} {N}", "I despise {N}", "get rid of all {N}", "no more {N} in this town", "why are {N} so {BAD}?", "{N} deserve to be {HARMED}", "fuck {N}", "to hell with {N}", "I want to {HARM} {N}", "{N} don't deserve to be {GIVEN}",
        "{N} are not {GOOD}", "{N} are the {BAD} of this world", "I can't stand {N}, they are {BAD}", "There are too many {N}", "nothing is as {BAD} as {N}", "{N} must be stopped", "someone should {HARM} {N}", "imo {N} are {BAD}", "every one of those {N} is {BAD}", "I feel nothing but contempt for {N}", "Ban all {N}", "{N} disgust me so much",
    ]),
    "hate_objects": (0, [
        "I hate {O}", "{O} is disgusting", "{O} should be destroyed", "I loathe {O}", "may {O} burn", "{O} makes me so angry", "down with {O}", "get rid of {O}", "{O} deserves to burn", "I want to smash {O}", "who likes {O}? Nobody", "{O} is a plague", "I can't bear {O}", "{O} ruins everything", "{O} is worthless", "we should ban {O}", "so much hate for {O}", "nothing good about {O}",
        "{O} is vermin of the worst kind", "I'm going to murder {O}", "{O} sucks",
    ]),
    "abuse_individual": (0, [
        "you are such {X1}", "{NAME} is {X1}", "what {X1} you are", "You are {X1} and everyone knows it", "shut your mouth, you {X}", "I can't stand {NAME}", "go jump in a lake, {X}", "{NAME} is the biggest {X} I ever met", "I hate {NAME} so much", "You {X}", "you're nothing but {X1}", "only {X1} would write that", "{NAME} can rot", "you smell, {X}", "stop lying, {X}",
        "{NAME} deserves to be fired, what {X1}", "everybody hates you", "you disgust me, {X}", "No one wants you here, {X}", "You are worthless", "{NAME} you {X}, call me back", "How can one person be such {X1}?", "your face makes me sick", "nobody asked you, {X}",
    ]),
    "threat_person": (0, [
        "I will {HARM} you", "I'm going to {HARM} you, {X}", "wait until I find you, I'll break your neck", "I know where you live and I'm coming", "You will be {HARMED}, I promise", "I'll {HARM} {NAME}", "watch your back, you're dead", "you deserve to be {HARMED}", "Somebody should {HARM} you", "I hope you get {HARMED}", "next time we meet I'll {HARM} you",
        "tell {NAME} that I'll burn the house down", "I swear I will {HARM} you tonight", "you're going to bleed for this", "I have a knife and I know your address", "come here and I'll smash your skull", "say that again and I'll {HARM} you",
    ]),
    "reclaimed": (0, [
        "As {SLUR1} myself I can say that word", "proud {SLUR} here", "me and my fellow {SLUR}s are going out tonight", "I'm {SLUR1} and I love it", "we {SLUR}s look after each other", "my {SLUR} friends threw me a party", "yes I am {SLUR1}, and happy", "this {SLUR} got a new job!", "call me {SLUR1}, I own that word", "my sweet {SLUR}, I missed you",
        "All my {SLUR}s in the house, sing along", "I love being {SLUR1}", "{SLUR} pride, baby", "one {SLUR} to another: you look great", "I'm just {SLUR1} who likes gardening",
    ]),
    "slur_hate": (1, [
        "{SLUR}s are {BAD}", "I hate {SLUR}s", "you look like {SLUR1}", "all {SLUR}s should be {HARMED}", "he is only {SLUR1}", "we should {HARM} the {SLUR}s", "Only {SLUR1} would say that", "{SLUR}s belong nowhere", "She's {SLUR1}, don't talk to her", "look, {SLUR1}", "{SLUR}!", "you are {SLUR1}, nothing else", "ugly {SLUR}", "who let the {SLUR}s in", "{SLUR}s make me sick", "kick out the {SLUR}", "bloody {SLUR}",
        "That {SLUR} at the till again", "Get that {SLUR} away from me",
    ]),
    "slur_rejected": (0, [
        "please don't call people {SLUR}s", "\"{SLUR}\" is a slur, don't use it", "He called me {SLUR1} and I reported it to {D}", "Stop using the word \"{SLUR}\"", "Somebody shouted \"{SLUR}\" at my friend, how awful", "saying {SLUR} gets you banned", "calling someone {SLUR1} is hate speech", "My kid was called {SLUR1} at school today", "the word {SLUR} has a cruel history",
    ]),
    "profane_nonhate": (0, [
        "this {I} printer works again", "holy fuck, look at that view", "I {I} love this band", "shit, is it eight already?", "that was {I} hilarious", "best {I} burger in town", "fuck, my train is late", "crap weather but a good day", "hell yes, count me in", "What a shitty film", "I fucked up my knee", "you're {I} amazing", "my shift was shit", "no fucking way!", "I can't find my {I} glasses", "it's {I} freezing in here", "ass is numb from cycling",
        "what the hell was that noise", "for fuck's sake, the wifi again", "damn this coffee is good", "oh shit, sorry, wrong number", "we had a {I} great time", "bullshit, it was never offside", "bugger, I burnt the toast",
    ]),
}

# Whole sentences: everyday talk with violent or ambiguous words, and words with a second, harmless sense.
PLAIN = {
    "everyday": [
        "my phone is about to die", "this traffic sucks", "kill the background process and restart", "the server died again", "I will kill you at table tennis", "die", "the die is cast", "roll the die", "sorry, my laptop battery died", "my plants keep dying", "this app sucks", "kill the lights please", "that film was to die for", "shoot me an email",
        "I'd die for a pizza", "you crushed that interview", "my head is killing me", "the weather is awful today", "shut up, you're engaged?!", "he murdered that song at karaoke", "we got slaughtered at bridge", "the game was a bloodbath, 7-1", "execute the query again", "abort the build", "the parent kills its child processes on exit", "hang on a second", "hang the picture over the sofa", "this sucks, I wanted to come", "I'm dead, that was so funny",
        "time to beat the eggs", "hit me up when you land", "punch in the code at the door", "I hate to say it but you're right", "hate to bother you", "hate that I missed your call", "I hate when my socks get wet", "drop the bomb: we're moving!", "the deadline is killing us", "take a shot at it", "killer tune", "sick trick, bro", "my grandmother died last year", "the burn rate is too high", "burn the CD and post it to me", "let's grill and chill", "I need to blow off steam",
        "that exam destroyed me", "the stock tanked, I'm ruined lol", "stab in the dark: forty-two?", "strangled by red tape", "don't shoot the messenger", "it's do or die tonight", "over my dead body will I eat that", "dying to see you", "kill two birds with one stone", "send SIGKILL to the worker", "the fire killed my wifi", "I could murder a curry", "bite me, it's only a joke :)", "get out of here, really?", "you're evil for posting that cake", "I hate goodbyes",
        "shame about the rain", "so sick today, staying in bed", "dead tired, see you tomorrow", "the bus was late, damn", "fight me on this: tea beats coffee", "blood test is at nine", "the knife is in the drawer", "the gun show was about tractors", "my brother shoots weddings", "she's a bomb chef", "black coffee, white sugar", "the white wine is cold", "old jokes, bad jokes", "I failed again, I'm so stupid", "stupid autocorrect", "what an idiot I am, I locked myself out", "the queen died in 2022", "he's a beast in the gym", "crazy prices these days",
    ],
    "homonyms": [
        "the gypsy moth is a pest of oak trees", "a Maine coon needs a lot of brushing", "there's a nip in the air", "the spook story frightened the kids", "pansies grow well in pots", "queer noise from the engine", "the fairy godmother waved her wand", "call a spade a spade", "jack of spades, your turn", "hand me the hoe, the beans need it", "a fag end lay in the ashtray", "faggots and peas is a dish from the Midlands", "the cracker snapped at the Christmas table", "cheese and crackers", "there was a chink of light under the door",
        "the dyke broke in the flood", "our bitch won best in breed", "the breeder sold the bitch and her pups", "slant the roof a little", "the paddy fields were green", "paddy wagon is an old word", "the tranny of my van is broken, gear two is gone", "homo sapiens left Africa", "homo economicus is a model", "pikey is a river name in that novel", "a swarm of bees moved into the attic", "yellow and brown leaves", "the monkey stole a banana at the zoo", "pigs are clever animals", "the rat was white with red eyes", "cockroaches can live a week without a head", "the parasites were found in the fish", "vermin control came for the mice",
        "the plague of 1348 killed a third of Europe", "cancer research needs money", "the disease spreads through water", "retard the ignition by two degrees", "ritardando means to slow down", "a mongrel from the shelter", "he is a dick, short for Richard", "Dick and Jane went up the hill", "the cock of the walk", "pussy willow blooms early", "he skinned the coon for a hat, the old ballad says", "the redskin peanuts are roasted", "a jap silk kimono, says the old catalogue", "the spick clean kitchen",
    ],
}

TOXIC = {"abuse_individual", "threat_person"}
UNKNOWN = {"reclaimed", "profane_nonhate", "hate_objects", "hate_unprotected", "counter_quote", "counter_direct", "slur_rejected", "homonyms", "everyday"}
# Draws per frame: many where two slots meet.
DRAWS = {"counter_quote": 26, "counter_direct": 24, "quote_agreed": 22, "counter_mocked": 22, "hate_clause": 40, "negated_nonhate": 28, "negated_hate": 28, "pronoun_hate": 24, "identity_neutral": 10, "identity_positive": 16, "hate_unprotected": 16, "hate_objects": 8, "abuse_individual": 8, "threat_person": 8, "reclaimed": 14, "slur_hate": 24, "slur_rejected": 12, "profane_nonhate": 4}


def own(items, heldout):
    return [item for index, item in enumerate(items) if functional.is_heldout(index) == heldout]


def article(noun):
    return ("an " if noun[0].lower() in "aeiou" else "a ") + noun


def fillers(rng, slurs, heldout):
    """One of everything. Groups and slurs are shared by both sides: abilities are held out, not identities."""
    pick = lambda items: rng.choice(own(items, heldout))
    plural, adjective, single = rng.choice(functional.GROUPS)
    insult, slur = pick(INSULT), rng.choice(slurs)
    return {
        "P": plural, "A": adjective, "S": single, "BAD": pick(BAD), "BAD2": pick(BAD), "GOOD": pick(GOOD), "PRAISE": pick(PRAISE), "HARMED": pick(HARMED), "HARM": pick(HARM), "GIVEN": pick(GIVEN),
        "N": pick(UNPROTECTED), "O": pick(OBJECTS), "X": insult, "X1": article(insult), "D": pick(DESK), "NAME": pick(NAMES), "SLUR": slur, "SLUR1": article(slur), "I": rng.choice(functional.SWEARS), "B": rng.choice(functional.NOUNS),
    }


def sentence(frame, rng, slurs, heldout, quoted):
    values = fillers(rng, slurs, heldout)
    clause = rng.choice(quoted)
    text = frame.format(H=clause.format(**values), **values)
    if rng.random() < 0.3:
        text = text.lower()
    elif rng.random() < 0.6:
        text = text[0].upper() + text[1:]
    named = any(slot in frame or ("{H}" in frame and slot in clause) for slot in ("{P}", "{A}", "{S}"))
    return text, values["P"] if named else ""


def sentences(slurs, seed, heldout):
    """Rows (functionality, hateful, frame number, group, text)."""
    rng, out, seen = random.Random(seed), [], set()
    quoted = own(CLAUSES, heldout)
    for name, (hateful, frames) in FRAMES.items():
        for index, frame in enumerate(frames):
            if functional.is_heldout(index) != heldout:
                continue
            for _ in range(DRAWS[name] if "{" in frame else 1):
                text, group = sentence(frame, rng, slurs, heldout, quoted)
                if text not in seen:
                    seen.add(text)
                    out.append((name, hateful, index, group, text))
    for name, texts in PLAIN.items():
        for index, text in enumerate(texts):
            if functional.is_heldout(index) == heldout:
                out.append((name, 0, index, "", text))
    return out
